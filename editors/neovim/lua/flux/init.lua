--- What the commands do: each is a request to the language server, and something shown of its answer.
--- No prompt, price or edit is made here.

local chat = require("flux.chat")

local M = {}

local START_MS = 10000

---@alias flux.Lines { first: integer, last: integer } Line numbers from 1 on, both included.

---@class flux.Turn The result of a turn, as in docs/protocol.md; what is used here.
---@field turn string Empty where a message got no turn of its own.
---@field status string
---@field text string
---@field paths string[]
---@field summary string

---@param message string
---@param level? integer
local function say(message, level)
  vim.notify("Flux: " .. message, level or vim.log.levels.INFO)
end

---@param message string
local function complain(message)
  say(message, vim.log.levels.ERROR)
end

---@param buffer integer
---@return boolean
local function is_file(buffer)
  return vim.bo[buffer].buftype == "" and vim.api.nvim_buf_get_name(buffer) ~= ""
end

--- The buffer that the user works on: the present one, or, from the chat, that of a window beside it.
---@return integer
local function present_buffer()
  local buffers = { vim.api.nvim_get_current_buf() }
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    table.insert(buffers, vim.api.nvim_win_get_buf(window))
  end
  return vim.iter(buffers):find(is_file) or buffers[1]
end

---@param buffer integer
local function start(buffer)
  local config = vim.deepcopy(vim.lsp.config.flux)
  config.name = "flux"
  config.root_dir = config.root_dir or vim.fs.root(buffer, config.root_markers or {})
  vim.lsp.start(config, { bufnr = buffer, attach = is_file(buffer) })
end

--- The server for a buffer, started where it does not run. Waits until it is ready; nil, and said, if it will not be.
---@param buffer integer
---@return vim.lsp.Client?
function M.client(buffer)
  local function find()
    return vim.lsp.get_clients({ name = "flux", bufnr = buffer })[1]
      or (not is_file(buffer) and vim.lsp.get_clients({ name = "flux" })[1] or nil)
  end
  local client = find()
  if client then
    return client
  end
  start(buffer)
  vim.wait(START_MS, function()
    client = find()
    return client ~= nil
  end, 10)
  if not client then
    complain("its server does not start; see :checkhealth flux")
  end
  return client
end

--- Run a command of the server's. `on_result` gets its result; an error is shown unless `on_error` takes it.
---@param client vim.lsp.Client
---@param command string
---@param arguments table<string, any>
---@param on_result fun(result: any)
---@param on_error? fun(message: string)
local function ask(client, command, arguments, on_result, on_error)
  local given = next(arguments) == nil and vim.empty_dict() or arguments
  client:request("workspace/executeCommand", { command = command, arguments = { given } }, function(failure, result)
    if failure then
      (on_error or complain)(failure.message)
    else
      on_result(result)
    end
  end)
end

---@param command string
---@param arguments table<string, any>
---@param on_result fun(result: any, client: vim.lsp.Client)
local function ask_present(command, arguments, on_result)
  local client = M.client(present_buffer())
  if client then
    ask(client, command, arguments, function(result)
      on_result(result, client)
    end)
  end
end

--- The lines that a user's command was given.
---@param given vim.api.keyset.create_user_command.command_args
---@return flux.Lines?
function M.lines_of(given)
  return given.range > 0 and { first = given.line1, last = given.line2 } or nil
end

--- Where the user is, for the server: the file, and the lines as an LSP range.
---@param client vim.lsp.Client
---@param buffer integer
---@param lines? flux.Lines
---@return { uri?: string, range?: lsp.Range }
local function place(client, buffer, lines)
  if not is_file(buffer) then
    return {}
  end
  if not lines then
    return { uri = vim.uri_from_bufnr(buffer) }
  end
  local last = vim.api.nvim_buf_get_lines(buffer, lines.last - 1, lines.last, false)[1] or ""
  return {
    uri = vim.uri_from_bufnr(buffer),
    range = {
      start = { line = lines.first - 1, character = 0 },
      ["end"] = { line = lines.last - 1, character = vim.str_utfindex(last, client.offset_encoding) },
    },
  }
end

---@param text string
---@param question string
---@param run fun(text: string)
local function with_text(text, question, run)
  if vim.trim(text) ~= "" then
    return run(text)
  end
  vim.ui.input({ prompt = question }, function(answer)
    if answer and vim.trim(answer) ~= "" then
      run(answer)
    end
  end)
end

--- Say something; the answer streams into the chat's buffer. While a turn runs it waits for its end.
---@param text string Empty: it is asked for.
---@param lines? flux.Lines
---@param meanwhile? "queue"|"steer" `steer`: the running turn takes it along.
function M.chat(text, lines, meanwhile)
  with_text(text, "Flux: ", function(said)
    local buffer = present_buffer()
    local client = M.client(buffer)
    if not client then
      return
    end
    chat.show()
    chat.with_session(client, ask, function(session)
      local where = place(client, buffer, lines)
      if not chat.is_running() then -- else an event says that it waits
        chat.say(said, where.uri and vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buffer), ":t"), lines)
      end
      local given = { text = said, session = session, meanwhile = meanwhile or "queue" }
      local arguments = vim.tbl_extend("error", given, where)
      ask(client, "flux.chat.send", arguments, chat.finish, chat.fail)
    end)
  end)
end

--- Have the file edited, or the lines. The edit comes into the buffer, unsaved.
---@param instruction string Empty: it is asked for.
---@param lines? flux.Lines
function M.edit(instruction, lines)
  with_text(instruction, "Flux, edit: ", function(said)
    local buffer = present_buffer()
    if not is_file(buffer) then
      return complain("this buffer is not a file")
    end
    local client = M.client(buffer)
    if not client then
      return
    end
    local arguments = vim.tbl_extend("error", { instruction = said }, place(client, buffer, lines))
    ask(client, "flux.edit", arguments, function(turn) ---@param turn flux.Turn
      if turn.status == "failed" then
        return complain(turn.summary)
      end
      if #turn.paths == 0 and turn.text ~= "" then
        say(turn.text) -- words where an edit was asked for: why there is none
      end
      say(turn.summary)
    end)
  end)
end

--- Accept or reject what waits, where the words say so and nothing else: `accept`, or `reject file the name is taken`.
--- False where they are something to say to the model.
---@param given vim.api.keyset.create_user_command.command_args
---@return boolean
function M.review(given)
  local review = require("flux.review")
  local verb, scope = given.fargs[1], given.fargs[2] or "hunk"
  local reason = #given.fargs > 2 and table.concat(given.fargs, " ", 3) or nil
  if not vim.list_contains({ "accept", "reject" }, verb) or not vim.list_contains(review.SCOPES, scope) then
    return false
  end
  if verb == "accept" and reason then
    return false
  end
  local buffer = present_buffer()
  local client = M.client(buffer)
  if client then
    local row = vim.api.nvim_win_get_cursor(vim.fn.bufwinid(buffer))[1]
    review.decide(verb, scope, client, buffer, M.lines_of(given) or { first = row, last = row }, reason)
  end
  return true
end

--- Stop whatever Flux is doing.
function M.cancel()
  for _, client in ipairs(vim.lsp.get_clients({ name = "flux" })) do
    ask(client, "flux.turn.cancel", {}, function(result)
      say(#result.cancelled > 0 and "cancelled" or "nothing is running")
    end)
  end
end

---@param what string What was done, in words.
local function told_of(what)
  return function(result)
    say(#result.paths > 0 and ("%s: %s"):format(what, table.concat(result.paths, ", ")) or "it is so already")
  end
end

--- Take back what the last turn changed.
function M.undo()
  ask_present("flux.turn.undo", {}, told_of("taken back"))
end

--- Make again what was taken back last.
function M.redo()
  ask_present("flux.turn.redo", {}, told_of("made again"))
end

---@param name string Empty: one with a number.
function M.checkpoint(name)
  ask_present("flux.checkpoint.set", { name = name }, function(point)
    say("this point is " .. point.name)
  end)
end

---@param checkpoint string A name or a number; empty: choose from the list.
function M.return_to(checkpoint)
  local function go(wanted)
    ask_present("flux.checkpoint.restore", { checkpoint = wanted }, told_of("returned"))
  end
  if checkpoint ~= "" then
    return go(checkpoint)
  end
  ask_present("flux.checkpoint.list", {}, function(result)
    vim.ui.select(vim.iter(result.checkpoints):rev():totable(), {
      prompt = "Return to:",
      format_item = function(point)
        return point.name ~= "" and point.name or "before: " .. point.title
      end,
    }, function(point)
      if point then
        go(tostring(point.number))
      end
    end)
  end)
end

---@param name string A name, the beginning of one, or a number in the list; empty: choose from the list.
function M.model(name)
  local function set(model)
    ask_present("flux.model.set", { model = model }, function(result)
      say("the model is " .. result.model)
    end)
  end
  if name ~= "" then
    return set(name)
  end
  ask_present("flux.model.list", {}, function(result)
    vim.ui.select(result.models, {
      prompt = ("Model of %s (now %s):"):format(result.provider, result.present),
      format_item = function(model)
        local price = type(model.price) == "table"
            and (" · $%s in, $%s out for a million tokens"):format(model.price[1], model.price[2])
          or ""
        return ("%s · %s%s"):format(model.title, model.speed, price)
      end,
    }, function(model)
      if model then
        set(model.name)
      end
    end)
  end)
end

--- Show the tokens and the cost since the server began.
function M.usage()
  ask_present("flux.usage", {}, function(result)
    say(("%d tokens in, %d out · %s"):format(result.usage.inputTokens, result.usage.outputTokens, result.costText))
  end)
end

--- Do something with a stored session: `resume`, `search WORDS`, `rename TITLE`, `export [markdown|json]`, `delete`.
---@param verb string
---@param rest string
function M.session(verb, rest)
  local run = require("flux.sessions")[verb]
  if not run then
    return complain("there is no :FluxSession " .. verb)
  end
  run(ask_present, rest)
end

--- Show a text in a buffer of its own.
---@param result { text: string }
local function show_text(result)
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, vim.split(result.text, "\n"))
  vim.bo[buffer].modifiable = false
  vim.cmd.sbuffer(buffer)
end

--- Show what works here and what does not.
function M.doctor()
  ask_present("flux.doctor", {}, show_text)
end

--- Take back the last message that waits.
function M.withdraw()
  ask_present("flux.chat.withdraw", { session = chat.session() }, function(result)
    say("taken back: " .. result.text)
  end)
end

--- What the next message would send (`show`), and what stays in it: `pin`, `unpin` (the file, or `turn`), `compact`.
---@param verb string
---@param what string
function M.context(verb, what)
  local buffer = present_buffer()
  local path = what ~= "turn" and is_file(buffer) and vim.api.nvim_buf_get_name(buffer) or ""
  if verb == "show" then
    local where = is_file(buffer) and { uri = vim.uri_from_bufnr(buffer) } or {}
    return ask_present("flux.context.show", vim.tbl_extend("error", { text = what }, where), show_text)
  elseif verb == "pin" or verb == "unpin" then
    return ask_present("flux.context.pin", { path = path, pinned = verb == "pin" }, function(result)
      local names = vim.tbl_map(function(pin)
        return pin.name
      end, result.pins)
      say(#names > 0 and "pinned: " .. table.concat(names, ", ") or "nothing is pinned")
    end)
  elseif verb == "compact" then
    return ask_present("flux.context.compact", { undo = what == "undo" }, function(result)
      say(result.summary ~= "" and "the earlier turns are summarized" or "no summary stands for earlier turns")
    end)
  end
  complain("there is no :FluxContext " .. verb)
end

--- Begin a new chat, in an empty buffer.
function M.new_chat()
  local client = M.client(present_buffer())
  if client then
    chat.clear()
    chat.show()
    chat.with_session(client, ask, function() end)
  end
end

return M
