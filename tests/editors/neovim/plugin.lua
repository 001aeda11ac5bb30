-- The plugin in a real Neovim: `:Flux` streams into its buffer, `:FluxEdit` edits an unsaved one, and the other commands.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder nvim --headless --clean --cmd 'set rtp^=editors/neovim' -l plugin.lua
--
-- The folder holds a.py, and FLUX_SCRIPT (in the environment) the model's answers: see tests/editors/test_neovim_plugin.py.
-- Exit status 0: every check passed. The checks are named on standard error.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local check = checks.check

local function wait_for(condition, what)
  local came = vim.wait(tonumber(vim.env.FLUX_TEST_BOUND_MS), condition, 5)
  if not came then
    vim.print(table.concat(vim.api.nvim_buf_get_lines(vim.fn.bufnr("flux://chat"), 0, -1, false), "\n"))
  end
  check(came, what)
end

local messages, told = checks.listen()

local function text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
end

local folder = vim.env.FLUX_TEST_FOLDER
checks.set_up(folder)

-- Health before anything runs.
vim.cmd("checkhealth flux")
check(text(0):find("OK flux %d") ~= nil, "health names the version: " .. text(0))
check(text(0):find("No server runs now", 1, true) ~= nil, "health says that no server runs")
vim.cmd("bwipeout")

vim.lsp.enable("flux")
vim.cmd.edit(folder .. "/a.py")
local buffer, window = vim.api.nvim_get_current_buf(), vim.api.nvim_get_current_win()
local on_disk = vim.fn.readblob(folder .. "/a.py")
vim.api.nvim_buf_set_lines(buffer, 0, 0, false, { "# ünsaved 😋" })
vim.bo[buffer].undolevels = vim.bo[buffer].undolevels -- ends the undo step, as a key of the user's would

-- 1. A chat, about two lines. It streams, and its edit lands in the unsaved buffer.
local before = text(buffer)
vim.cmd("2,3Flux Correct the formula.")
local chat = vim.fn.bufnr("flux://chat")
check(vim.api.nvim_get_current_win() == window, "the cursor stays where it was")
check(#vim.fn.win_findbuf(chat) == 1, "the chat is shown")
wait_for(function()
  local now = text(chat)
  return now:find("I will correct", 1, true) and not now:find("the formula now.", 1, true)
end, "the answer streams")
wait_for(function()
  return text(chat):find("\n%*done · ") ~= nil
end, "the turn ends, and the chat says so")
check(text(buffer) == vim.env.FLUX_TEST_EXPECTED, "the edit is in the buffer: " .. text(buffer))
check(vim.bo[buffer].modified, "the buffer is unsaved")
check(vim.fn.readblob(folder .. "/a.py") == on_disk, "the file on disk is as it was")
local transcript = text(chat)
for _, part in ipairs({
  "## You\n\nCorrect the formula.\n\n*with a.py lines 2-3*\n\n## scripted",
  "\n\nI will correct the formula. I will correct the formula now.\n\n- edit a.py\n\n~~~~diff\n",
  "\n def area(r):\n-    return 3 * r\n+    return 3.14159 * r**2\n~~~~\n\n> *Thoughts*\n>\n> Is it?\n> It is.\n\nIt is an area now.\n\n*done · unsaved: a.py",
}) do
  check(transcript:find(part, 1, true) ~= nil, ("the chat has %q in:\n%s"):format(part, transcript))
end
check(select(2, transcript:gsub("~~~~diff", "")) == 1, "the change is shown once")
local chat_window = vim.fn.win_findbuf(chat)[1]
check(vim.api.nvim_win_get_cursor(chat_window)[1] == vim.api.nvim_buf_line_count(chat), "its window follows the end")

-- 2. The undo of a turn.
vim.cmd("FluxUndo")
wait_for(told("^Flux: taken back: a%.py$"), "an undo is told")
check(text(buffer) == before, "the edit is taken back")

-- 3. An edit of one line, and Neovim's own undo.
vim.cmd("2FluxEdit Name it better.")
wait_for(told("^Flux: done · unsaved: a%.py"), "an edit is told")
check(text(buffer):find("def circle_area(r):", 1, true) ~= nil, "the edit is in the buffer")
check(not text(chat):find("circle_area", 1, true), "an edit is no part of the chat")
vim.cmd("silent undo")
check(text(buffer) == before, "one undo takes it back")

-- 4. A cancelled answer, and a chat that goes on, from within the chat's own window.
vim.cmd("Flux Talk.")
wait_for(function()
  return text(chat):find("word word", 1, true) ~= nil
end, "it talks")
vim.cmd("FluxCancel")
wait_for(told("^Flux: cancelled$"), "the cancelling is told")
wait_for(function()
  return text(chat):find("\n%*cancelled") ~= nil
end, "the chat says so")
vim.api.nvim_set_current_win(chat_window)
vim.cmd("Flux Go on.")
wait_for(function()
  return text(chat):find("I go on, about a.py.", 1, true) ~= nil
end, "the chat goes on")
check(text(chat):find("Go on.\n\n*with a.py*", 1, true) ~= nil, "with the file in the window beside it")
vim.api.nvim_set_current_win(window)

-- 5. An error in words.
wait_for(function()
  return text(chat):find("I go on, about a.py.\n\n%*done") ~= nil
end, "the chat is ready")
vim.cmd("Flux More.")
wait_for(function()
  return text(chat):find("\n*failed: Too busy.", 1, true) ~= nil
end, "a failed turn says why")

-- 6. Models, usage, a new chat, health.
vim.ui.select = function(items, options, choose)
  table.insert(messages, options.prompt .. " " .. options.format_item(items[1]))
  choose(items[1])
end
vim.cmd("FluxModel")
wait_for(told("^Model of scripted"), "the models are listed")
wait_for(told("^Flux: the model is "), "a model is chosen")
vim.cmd("FluxModel scripted")
vim.cmd("FluxUsage")
wait_for(told("^Flux: %d+ tokens in, %d+ out · "), "the usage is told")
local window = vim.api.nvim_get_current_win()
vim.cmd("FluxDoctor")
wait_for(function()
  return text(0):find("provider scripted", 1, true) ~= nil
end, "the doctor tells of the provider")
vim.cmd("close")
vim.api.nvim_set_current_win(window)
vim.cmd("FluxNew")
check(text(chat) == "", "a new chat is empty")
vim.cmd("checkhealth flux")
check(text(0):find("Provider scripted, model scripted", 1, true) ~= nil, "health names the model: " .. text(0))

checks.stop()
check(vim.fn.readblob(folder .. "/a.py") == on_disk, "the file on disk is still as it was")
os.exit(0)
