--- The chat's buffer: Markdown that grows at its end as a turn's events come. Knows no server; it only renders.

local M = {}

local NAME = "flux://chat"
local namespace = vim.api.nvim_create_namespace("flux.chat")

---@class flux.chat.State
---@field buffer? integer
---@field client_id? integer
---@field session? string
---@field shown_call? string The call whose change was shown last.
---@field in_thought? boolean The next thought goes on with the last one.
---@field needs_block? boolean The next text begins a paragraph.
---@field is_running? boolean
---@field waiting table<string, string> What the user said while a turn runs, by the id of the message.
local state = { waiting = {} }

---@return integer
local function chat_buffer()
  if not (state.buffer and vim.api.nvim_buf_is_valid(state.buffer)) then
    state.buffer = vim.api.nvim_create_buf(false, true)
    vim.api.nvim_buf_set_name(state.buffer, NAME)
    vim.bo[state.buffer].bufhidden = "hide"
    vim.bo[state.buffer].filetype = "markdown"
    vim.bo[state.buffer].modifiable = false
  end
  return state.buffer
end

--- Add text at the end. Windows whose cursor is at the end stay there.
---@param text string
local function append(text)
  local buffer = chat_buffer()
  local last = vim.api.nvim_buf_line_count(buffer)
  local following = vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] == last
  end, vim.fn.win_findbuf(buffer))
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_text(buffer, -1, -1, -1, -1, vim.split(text, "\r?\n"))
  vim.bo[buffer].modifiable = false
  for _, window in ipairs(following) do
    vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buffer), 0 })
  end
end

--- The line ends that are missing for an empty line before what comes.
---@return string
local function gap()
  local lines = vim.api.nvim_buf_get_lines(chat_buffer(), -3, -1, false)
  if lines[#lines] ~= "" then
    return "\n\n"
  end
  return #lines > 1 and lines[#lines - 1] ~= "" and "\n" or ""
end

--- Add a block, with an empty line before it.
---@param text string
local function append_block(text)
  append(gap() .. text .. "\n")
end

--- A line of the list of what Flux did; lines that follow each other are one list.
---@param text string
local function append_item(text)
  local lines = vim.api.nvim_buf_get_lines(chat_buffer(), -3, -1, false)
  if #lines == 2 and lines[2] == "" and vim.startswith(lines[1], "- ") then
    append("- " .. text .. "\n")
  else
    append_block("- " .. text)
  end
end

--- A diff, in colours.
---@param diff string
local function append_diff(diff)
  diff = diff:gsub("\n$", "")
  append_block("~~~~diff\n" .. diff .. "\n~~~~")
  local buffer = chat_buffer()
  local lines = vim.split(diff, "\n")
  local first = vim.api.nvim_buf_line_count(buffer) - 2 - #lines
  for number, line in ipairs(lines) do
    local group = vim.startswith(line, "+") and "Added" or vim.startswith(line, "-") and "Removed" or nil
    if group then
      local row = first + number - 1
      vim.api.nvim_buf_set_extmark(buffer, namespace, row, 0, { end_col = #line, hl_group = group, priority = 200 })
    end
  end
end

--- The change of a call: once, though it is told before it is made and after.
---@param event { call_id: string, diff: string }
local function append_change(event)
  if state.shown_call ~= event.call_id then
    state.shown_call = event.call_id
    append_diff(event.diff)
  end
end

--- Text goes on where it was, unless something else stands at the end.
---@param text string
local function append_text(text)
  if state.needs_block then
    state.needs_block = false
    text = gap() .. text:gsub("^%s+", "")
  end
  append(text)
end

--- Thoughts are quoted, below a line that says what they are.
---@param text string
local function append_thought(text)
  local begin = state.in_thought and "" or gap() .. "> *Thoughts*\n>\n> "
  append(begin .. text:gsub("\r?\n", "\n> "))
end

---@type table<string, fun(event: table)>
local render = {
  turn_start = function(event)
    state.is_running = true
    local said = state.waiting[event.message_id]
    if said then
      append_block("## You")
      append_block(said)
    end
    append_block("## " .. event.model)
  end,
  turn_end = function()
    state.is_running = false
  end,
  queue = function(event)
    state.waiting[event.message_id] = event.text
    append_item(("%s: %s"):format(event.state, (event.text:gsub("%s+", " "))))
  end,
  text_delta = function(event)
    append_text(event.text)
  end,
  reasoning_delta = function(event)
    append_thought(event.text)
  end,
  tool_call = function(event)
    append_item(event.title)
  end,
  tool_result = function(event)
    if event.is_error then
      append_item("refused: " .. event.summary)
    end
  end,
  approval = append_change,
  edit_applied = append_change,
  review = function(event)
    append_block("Proposed, and not made yet:")
    local diffs = vim.tbl_map(function(hunk)
      return hunk.diff
    end, event.hunks)
    append_diff(table.concat(diffs))
  end,
  retry = function(event)
    append_item(("%s; again in %.0f s"):format(event.reason, event.wait_s))
  end,
  notice = function(event)
    append_item(event.text)
  end,
  summary = function(event)
    append_block("*" .. event.words .. "*")
    append_block("> " .. event.text:gsub("\r?\n", "\n> "))
  end,
}

--- Show what happened in a turn, if it is the chat's.
---@param event table
---@param client_id integer
function M.on_event(event, client_id)
  if client_id ~= state.client_id or event.session_id ~= state.session then
    return
  end
  local show = render[event.type]
  if show then
    show(event)
    state.needs_block = event.type ~= "text_delta"
    state.in_thought = event.type == "reasoning_delta"
  end
end

--- The chat's session on this server; a new one where there is none yet.
---@param client vim.lsp.Client
---@param ask fun(client: vim.lsp.Client, command: string, arguments: table, on_result: fun(result: any))
---@param run fun(session: string)
function M.with_session(client, ask, run)
  if state.session and state.client_id == client.id then
    return run(state.session)
  end
  ask(client, "flux.chat.new", {}, function(result)
    state.client_id, state.session = client.id, result.session
    run(result.session)
  end)
end

--- What the user says. `name` is the file that goes with it.
---@param text string
---@param name? string
---@param lines? flux.Lines
function M.say(text, name, lines)
  append_block("## You")
  append_block(text)
  if name then
    local range = lines and (" lines %d-%d"):format(lines.first, lines.last) or ""
    append_block(("*with %s%s*"):format(name, range))
  end
end

--- Show another session: what was said in it, without what was done.
---@param client_id integer
---@param resumed { session: string, heldBy: string, messages: { role: string, text: string, isInterrupted: boolean }[] }
function M.resume(client_id, resumed)
  M.clear()
  state.client_id, state.session = client_id, resumed.session
  local speaker
  for _, message in ipairs(resumed.messages) do
    if message.text ~= "" then
      if message.role == "user" or message.role ~= speaker then
        append_block(message.role == "user" and "## You" or "## Flux")
      end
      speaker = message.role
      append_block(message.text)
      if message.isInterrupted then
        append_block("*interrupted*")
      end
    end
  end
  if resumed.heldBy ~= "" then
    append_block("**" .. resumed.heldBy .. "**")
  end
end

--- Whether a turn of the session that is shown is at work, so that what is said now waits.
---@return boolean
function M.is_running()
  return state.is_running == true
end

--- The session that is shown.
---@return string?
function M.session()
  return state.session
end

--- The end of a turn; a message that got none has said so.
---@param turn flux.Turn
function M.finish(turn)
  if turn.turn == "" then
    return
  end
  if state.is_running then -- one that waited for it has begun already
    return append_item("the turn before: " .. turn.summary)
  end
  append_block("*" .. turn.summary .. "*")
end

--- What went wrong instead of a turn.
---@param message string
function M.fail(message)
  append_block("**" .. message .. "**")
end

--- Forget the session, and what is shown of it.
function M.clear()
  local buffer = chat_buffer()
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, {})
  vim.bo[buffer].modifiable = false
  state.session, state.needs_block, state.is_running, state.waiting = nil, false, false, {}
end

--- Show the buffer beside the present window, which keeps the cursor.
function M.show()
  local buffer = chat_buffer()
  if #vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_buf(window) == buffer
  end, vim.api.nvim_tabpage_list_wins(0)) > 0 then
    return
  end
  local window = vim.api.nvim_open_win(buffer, false, { split = "right", win = 0 })
  vim.wo[window][0].wrap = true
  vim.wo[window][0].linebreak = true
  vim.wo[window][0].number = false
  vim.wo[window][0].conceallevel = 0
  vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buffer), 0 })
end

return M
