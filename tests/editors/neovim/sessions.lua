-- Stored sessions in a real Neovim: searched, gone on with, renamed, exported, deleted; and back and forth in a turn.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder nvim --headless --clean --cmd 'set rtp^=editors/neovim' -l sessions.lua
--
-- The folder holds a.py, and FLUX_SCRIPT (in the environment) the model's answers: tests/editors/test_neovim_sessions.py.
-- Exit status 0: every check passed. The checks are named on standard error.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local check = checks.check

local messages, told = checks.listen()

local function wait_for(condition, what)
  local came = vim.wait(tonumber(vim.env.FLUX_TEST_BOUND_MS), condition, 5)
  check(came, came and what or ("%s; told: %s"):format(what, vim.inspect(messages)))
end

local lists = {}

-- The user chooses what has this in it.
local wanted = ""
vim.ui.select = function(items, options, choose)
  local shown = vim.tbl_map(options.format_item or tostring, items)
  table.insert(lists, options.prompt .. "\n" .. table.concat(shown, "\n"))
  for number, text in ipairs(shown) do
    if text:find(wanted, 1, true) then
      return choose(items[number], number)
    end
  end
  choose(nil)
end

local function text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
end

local function chat()
  return text(vim.fn.bufnr("flux://chat"))
end

local function has(part)
  return function()
    return chat():find(part, 1, true) ~= nil
  end
end

checks.open()
local buffer, window = vim.api.nvim_get_current_buf(), vim.api.nvim_get_current_win()
local before = text(buffer)

-- 1. Two chats, the first with an edit.
vim.cmd("Flux Where is the ocelot?")
wait_for(has("*done"), "a first chat has its answer")
vim.cmd("FluxNew")
vim.cmd("Flux And the second?")
wait_for(has("Nothing about cats."), "a second chat has its answer")

-- 2. Found by a word that was said, and gone on with.
wanted = "ocelot"
vim.cmd("FluxSession search OCELOT")
wait_for(has("## You\n\nWhere is the ocelot?\n\n## Flux\n\nI put it there."), "a session that was found is shown")
check(not has("second")(), "the other one is not")
check(lists[#lists]:find("^Go on with:\nWhere is the ocelot%? · %d+%-%d+%-%d+ ") ~= nil, "it was in a list: " .. lists[#lists])
vim.cmd("Flux Do you know me?")
wait_for(has("I do.\n\n*done"), "the conversation goes on")

-- 3. Renamed, resumed by its title, exported.
wanted = "And the second?"
vim.cmd("FluxSession rename Cats and dogs")
wait_for(told("^Flux: its title is Cats and dogs$"), "a session is renamed")
wanted = "Cats and dogs"
vim.cmd("FluxSession resume")
wait_for(has("Nothing about cats."), "it is resumed by that title")
vim.cmd("FluxSession export")
wait_for(function()
  return vim.bo.filetype == "markdown" and text(0):find("^# Cats and dogs\n") ~= nil
end, "it is exported as Markdown")
check(vim.api.nvim_buf_get_name(0) == "", "in a buffer without a file")
vim.cmd("FluxSession export json")
wait_for(function()
  return vim.bo.filetype == "json" and vim.json.decode(text(0)).title == "Cats and dogs"
end, "and as JSON")
vim.api.nvim_set_current_win(window)

-- 4. Deleted: only after a yes, and gone from the list and the chat.
local function choosing(answers)
  return function(items, options, choose)
    table.insert(lists, options.prompt)
    local answer = table.remove(answers, 1)
    for number, item in ipairs(items) do
      if (type(item) == "table" and item.title or item) == answer then
        return choose(item, number)
      end
    end
    choose(nil)
  end
end
vim.ui.select = choosing({ "Cats and dogs", "Keep it", "Cats and dogs", "Delete it" })
vim.cmd("FluxSession delete")
wait_for(function()
  return lists[#lists]:find("^Delete “Cats and dogs” and all") ~= nil
end, "it is asked before it is deleted")
check(has("Nothing about cats.")(), "a no keeps it")
vim.cmd("FluxSession delete")
wait_for(told("^Flux: deleted: Cats and dogs$"), "a yes deletes it")
check(chat() == "", "it is no longer in the chat")
vim.cmd("FluxSession search cats")
wait_for(told("^Flux: there is none$"), "and found no more")
vim.cmd("FluxSession fly")
check(told("^Flux: there is no :FluxSession fly$")(), "a wrong word is said")

-- 5. Back and forth in what the first chat changed.
local after = text(buffer)
check(after:find("ocelot = 1", 1, true) ~= nil, "the edit stands")
vim.cmd("FluxUndo")
wait_for(function()
  return text(buffer) == before
end, "it is taken back")
vim.cmd("FluxRedo")
wait_for(function()
  return text(buffer) == after
end, "it is made again")
vim.cmd("FluxCheckpoint with the ocelot")
wait_for(told("^Flux: this point is with the ocelot$"), "the point has a name")
vim.cmd("FluxReturn 1")
wait_for(function()
  return text(buffer) == before
end, "back to before the turn")
vim.cmd("FluxReturn with the ocelot")
wait_for(function()
  return text(buffer) == after
end, "and to the point with the name")

checks.stop()
os.exit(0)
