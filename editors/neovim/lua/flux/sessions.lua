--- Stored sessions: gone on with, searched, renamed, exported and deleted. What is kept of them is the server's matter.
--- Each function is a verb of `:FluxSession`.

local chat = require("flux.chat")

local M = {}

---@alias flux.Ask fun(command: string, arguments: table, on_result: fun(result: any, client: vim.lsp.Client))
---@alias flux.Session { session: string, title: string, folder: string, usedAt: number, excerpt?: string }

---@param message string
local function say(message)
  vim.notify("Flux: " .. message, vim.log.levels.INFO)
end

---@param sessions flux.Session[]
---@param prompt string
---@param run fun(chosen: flux.Session)
local function select(sessions, prompt, run)
  if #sessions == 0 then
    return say("there is none")
  end
  vim.ui.select(sessions, {
    prompt = prompt,
    format_item = function(one)
      local said = one.excerpt and one.excerpt:gsub("%s+", " ") or vim.fn.fnamemodify(one.folder, ":~")
      return ("%s · %s · %s"):format(one.title, os.date("%Y-%m-%d %H:%M", math.floor(one.usedAt)), said)
    end,
  }, function(chosen)
    if chosen then
      run(chosen)
    end
  end)
end

---@param ask flux.Ask
---@param prompt string
---@param run fun(chosen: flux.Session)
local function choose(ask, prompt, run)
  ask("flux.chat.list", {}, function(result)
    select(result.sessions, prompt, run)
  end)
end

---@param ask flux.Ask
---@param session string
local function show(ask, session)
  ask("flux.session.resume", { session = session }, function(resumed, client)
    chat.resume(client.id, resumed)
    chat.show()
  end)
end

---@param ask flux.Ask
function M.resume(ask)
  choose(ask, "Go on with:", function(chosen)
    show(ask, chosen.session)
  end)
end

--- Take back what the turns changed, one after the other.
---@param ask flux.Ask
---@param turns string[]
---@param run fun()
local function take_back(ask, turns, run)
  local turn = table.remove(turns, 1)
  if not turn then
    return run()
  end
  ask("flux.turn.undo", { turn = turn }, function()
    take_back(ask, turns, run)
  end)
end

--- Tell from where a fork goes on; where later turns changed files, the user may have that taken back.
---@param ask flux.Ask
---@param forked { notice: string, turns: string[] }
---@param run fun()
local function offer_files(ask, forked, run)
  if #forked.turns == 0 then
    say(forked.notice)
    return run()
  end
  vim.ui.select({ "Keep the files", "Take their changes back" }, { prompt = forked.notice }, function(answer)
    take_back(ask, answer == "Take their changes back" and forked.turns or {}, run)
  end)
end

--- Go on from before an earlier message of the chat that is shown, in a session of its own; it can be said otherwise.
---@param ask flux.Ask
function M.fork(ask)
  local session = chat.session()
  if not session then
    return say("there is no chat yet")
  end
  ask("flux.session.resume", { session = session }, function(resumed)
    local turn -- it begins with the first of its messages; others were said in its course
    local asked = vim.tbl_filter(function(message)
      local begins = message.role == "user" and message.turn ~= turn
      turn = message.turn
      return begins
    end, resumed.messages)
    vim.ui.select(asked, {
      prompt = "Go on from before:",
      format_item = function(message)
        return (message.text:gsub("%s+", " "))
      end,
    }, function(chosen)
      if not chosen then
        return
      end
      ask("flux.session.fork", { session = session, message = chosen.turn }, function(forked, client)
        chat.resume(client.id, forked)
        chat.show()
        offer_files(ask, forked, function()
          vim.ui.input({ prompt = "Say there: ", default = chosen.text }, function(answer)
            if answer and vim.trim(answer) ~= "" then
              require("flux").chat(answer)
            end
          end)
        end)
      end)
    end)
  end)
end

---@param ask flux.Ask
---@param words string
function M.search(ask, words)
  ask("flux.session.search", { words = words }, function(result)
    select(result.found, "Go on with:", function(chosen)
      show(ask, chosen.session)
    end)
  end)
end

---@param ask flux.Ask
---@param title string Empty: it is asked for.
function M.rename(ask, title)
  local function set(session, wanted)
    ask("flux.session.rename", { session = session, title = wanted }, function(result)
      say("its title is " .. result.title)
    end)
  end
  choose(ask, "Rename:", function(chosen)
    if title ~= "" then
      return set(chosen.session, title)
    end
    vim.ui.input({ prompt = "Its new title: ", default = chosen.title }, function(answer)
      if answer and vim.trim(answer) ~= "" then
        set(chosen.session, answer)
      end
    end)
  end)
end

--- The whole session in a buffer of its own, which is not saved.
---@param ask flux.Ask
---@param format string
function M.export(ask, format)
  local wanted = format == "" and "markdown" or format
  choose(ask, "Export:", function(chosen)
    ask("flux.session.export", { session = chosen.session, format = wanted }, function(result)
      vim.cmd.new()
      vim.api.nvim_buf_set_lines(0, 0, -1, false, vim.split((result.text:gsub("\n$", "")), "\n"))
      vim.bo.filetype = wanted
    end)
  end)
end

---@param ask flux.Ask
function M.delete(ask)
  choose(ask, "Delete:", function(chosen)
    vim.ui.select({ "Keep it", "Delete it" }, {
      prompt = ("Delete “%s” and all that was said in it?"):format(chosen.title),
    }, function(answer)
      if answer ~= "Delete it" then
        return
      end
      ask("flux.session.delete", { session = chosen.session }, function()
        if chat.session() == chosen.session then
          chat.clear()
        end
        say("deleted: " .. chosen.title)
      end)
    end)
  end)
end

return M
