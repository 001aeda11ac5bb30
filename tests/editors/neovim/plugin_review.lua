-- The plugin's review in a real Neovim: `:Flux accept` and `:Flux reject` at the cursor, by file, by turn, from the menu.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder FLUX_APPROVAL=review \
--     nvim --headless --clean --cmd 'set rtp^=editors/neovim' -l plugin_review.lua
--
-- The folder holds a.py, and FLUX_SCRIPT (in the environment) the model's answers: tests/editors/test_neovim_review.py.
-- Exit status 0: every check passed. The checks are named on standard error.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local check = checks.check

local messages, asked, reason = {}, 0, "we count in digits"
vim.notify = function(message)
  table.insert(messages, message)
end
vim.fn.confirm = function()
  return 2 -- the user closes Neovim's own question, to decide by the plugin
end
vim.ui.input = function(_, on_answer)
  asked = asked + 1
  on_answer(reason)
end

local function wait_for(condition, what)
  local came = vim.wait(10000, condition, 10)
  check(came, came and what or (what .. "; told: " .. vim.inspect(messages)))
end

local function wait_told(pattern)
  wait_for(function()
    return vim.iter(messages):any(function(message)
      return message:find(pattern) ~= nil
    end)
  end, "it is told: " .. pattern)
  messages = {}
end

local folder = checks.open()
local buffer = vim.api.nvim_get_current_buf()
local on_disk = vim.fn.readblob(folder .. "/a.py")

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), " ")
end

local function run(command, row)
  local window = vim.fn.bufwinid(buffer)
  if window == -1 then -- the diff was shown in its place
    vim.api.nvim_win_set_buf(0, buffer)
    window = vim.api.nvim_get_current_win()
  end
  vim.api.nvim_set_current_win(window)
  vim.api.nvim_win_set_cursor(window, { row, 0 })
  vim.cmd(command)
end

check(vim.deep_equal(vim.fn.getcompletion("Flux ", "cmdline"), { "accept", "reject" }), "the words are completed")
check(vim.list_contains(vim.fn.getcompletion("Flux accept ", "cmdline"), "turn"), "and what they are about")

-- 1. At the cursor: one accepted, one rejected with a reason, and where nothing waits that is said.
run("Flux Go.", 1)
wait_told("2 proposed changes wait: a.py")
check(text() == "1 2 3 4 5 6 7 8 9 10", "nothing is made")
run("Flux accept", 5)
wait_told("nothing waits for review here")
run("Flux accept", 8)
wait_for(function()
  return text() == "1 2 3 4 5 6 7 eight 9 10"
end, "the change at the cursor is made: " .. text())
wait_told("1 accepted, 1 wait")
run("Flux reject", 2)
wait_told("1 rejected, 0 wait")
check(asked == 1, "the reason is asked for")
check(text() == "1 2 3 4 5 6 7 eight 9 10", "and nothing is written")

-- 2. By file, with what was typed meanwhile; from the menu, whose question the user leaves.
run("Flux Again.", 1)
wait_told("2 proposed changes wait: a.py")
reason = nil
local titles = {}
vim.ui.select = function(items, _, on_choice)
  for _, item in ipairs(items) do
    table.insert(titles, item.action.title)
    if item.action.title == "Flux: reject this change" then
      return on_choice(item)
    end
  end
end
vim.api.nvim_set_current_win(vim.fn.bufwinid(buffer))
vim.api.nvim_win_set_cursor(0, { 3, 0 })
vim.lsp.buf.code_action()
wait_for(function()
  return asked == 2
end, "the menu rejects, and asks why: " .. vim.inspect(titles))
vim.api.nvim_buf_set_text(buffer, 2, 1, 2, 1, { " mine" })
run("Flux accept turn", 3)
wait_told("2 not made: None of the 2 changes of this turn was made: a.py: The text at line 3 has changed")
run("Flux accept file", 1)
wait_told("1 not made: a.py: The text at line 3 has changed")
wait_for(function()
  return text() == "1 2 3 mine 4 5 6 7 eight 9 ten"
end, "what fits is made: " .. text())
run("Flux reject all it is too late", 1)
wait_told("1 rejected, 0 wait")
check(asked == 2, "a reason that was given is not asked for")

-- 3. Words that only begin so are said to the model.
run("Flux accept that as it is?", 1)
local chat = vim.fn.bufnr("flux://chat")
wait_for(function()
  return table.concat(vim.api.nvim_buf_get_lines(chat, 0, -1, false), "\n"):find("I see.", 1, true) ~= nil
end, "the model was told why, and answers")
check(vim.fn.readblob(folder .. "/a.py") == on_disk, "nothing is saved")
