-- A proposal in a real Neovim: its diff is shown, Neovim asks, and what was taken is what the text shows.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder FLUX_APPROVAL=review nvim --headless --clean -l review.lua
--
-- The folder holds a.py, and FLUX_SCRIPT (in the environment) the model's answers: tests/editors/test_neovim_review.py.
-- Exit status 0: every check passed. The checks are named on standard error.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local check = checks.check
local wait_for = checks.wait_for

local folder = vim.env.FLUX_TEST_FOLDER
local questions, says = {}, 1
vim.fn.confirm = function(question)
  table.insert(questions, question)
  return says
end
vim.notify = function() end

vim.cmd("filetype on")
vim.cmd.edit(folder .. "/a.py")
local buffer = vim.api.nvim_get_current_buf()
local on_disk = vim.fn.readblob(folder .. "/a.py")
vim.api.nvim_buf_set_lines(buffer, 0, 0, false, { "# ünsaved 😋" })

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), " ")
end

local client = checks.serve(folder, { buffer })

local function ask(command, argument)
  local failure, result = checks.ask(client, buffer, command, argument)
  check(failure == nil, command .. ": " .. vim.inspect(failure))
  return result
end

local function waiting()
  return #ask("flux.review.list", vim.empty_dict()).hunks
end

local before = text()

-- 1. Neovim's user says yes: the two hunks stand in the unsaved buffer, and can be taken back.
check(#ask("flux.chat.send", { text = "Go." }).proposed == 2, "two hunks are proposed")
wait_for(function()
  return #questions == 1
end, "Neovim asks")
check(questions[1]:find("a.py line 3: +1 -1: two", 1, true) ~= nil, "by the labels: " .. questions[1])
check(vim.iter(vim.api.nvim_list_bufs()):any(function(one)
  return vim.api.nvim_buf_get_name(one):find("%.diff$") ~= nil
end), "the diff was shown before")
wait_for(function()
  return text() == "# ünsaved 😋 1 two 3 4 5 6 7 eight 9 10"
end, "the hunks are made: " .. text())
wait_for(function()
  return waiting() == 0
end, "none waits")
ask("flux.turn.undo", vim.empty_dict())
wait_for(function()
  return text() == before
end, "they are taken back")
check(#questions == 1, "an undo asks nothing")

-- 2. The user says no: all wait, typing goes on, and one is accepted by command.
says = 2
ask("flux.chat.send", { text = "Again." })
wait_for(function()
  return #questions == 2
end, "Neovim asks again")
check(text() == before and waiting() == 2, "nothing is made, and both wait")
vim.api.nvim_buf_set_text(buffer, 2, 1, 2, 1, { " mine" })
local came = ask("flux.review.accept", vim.empty_dict())
check(#came.accepted == 1 and #came.refused == 1, "the hunk under the typing is refused")
wait_for(function()
  return text() == "# ünsaved 😋 1 2 mine 3 4 5 6 7 eight 9 10"
end, "the other one is made: " .. text())
check(#questions == 2, "an accepted hunk is not asked for again")
check(vim.fn.readblob(folder .. "/a.py") == on_disk, "nothing is saved")
client:stop(true)
