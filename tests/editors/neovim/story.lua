-- The main job in a real Neovim: an edit of Flux lands in a buffer with unsaved text, as one undo step.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder nvim --headless --clean -l story.lua
--
-- The folder holds a.py, and FLUX_SCRIPT (in the environment) the model's answers: tests/editors/test_neovim.py sets all.
-- Exit status 0: every check passed. The checks are named on standard error.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local check = checks.check

local function wait_for(condition, what)
  check(vim.wait(tonumber(vim.env.FLUX_TEST_BOUND_MS), condition, 10), what)
end

local folder = vim.env.FLUX_TEST_FOLDER
local messages = {}
vim.notify = function(message)
  table.insert(messages, message)
end

vim.cmd("filetype on")
vim.cmd.edit(folder .. "/a.py")
local buffer = vim.api.nvim_get_current_buf()
local on_disk = vim.fn.readblob(folder .. "/a.py")

local function text(of)
  return table.concat(vim.api.nvim_buf_get_lines(of or buffer, 0, -1, false), "\n")
end

local function start()
  local id = vim.lsp.start({
    name = "flux",
    cmd = { vim.env.FLUX_PYTHON, "-m", "flux", "serve" },
    root_dir = folder,
    workspace_folders = { { uri = vim.uri_from_fname(folder), name = "test" } },
  })
  return assert(id)
end

-- An unsaved change before the server knows the file, with characters that count differently in every encoding.
vim.api.nvim_buf_set_lines(buffer, 0, 0, false, { "# ünsaved 😋" })
vim.bo[buffer].undolevels = vim.bo[buffer].undolevels -- ends the undo step, as a key of the user's would
local id = start()
wait_for(function()
  local client = vim.lsp.get_client_by_id(id)
  return client ~= nil and client.initialized == true
end, "the server is initialized")
local client = assert(vim.lsp.get_client_by_id(id))
check(client.offset_encoding == "utf-8", "positions are in UTF-8, Neovim's first choice")
vim.api.nvim_create_autocmd("FileType", {
  callback = function(event)
    vim.lsp.buf_attach_client(event.buf, id)
  end,
})

local function run_action(title)
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action)
      return vim.startswith(action.title, title)
    end,
  })
end

local function chat(arguments)
  local answer, failure
  client:request("workspace/executeCommand", { command = "flux.chat.send", arguments = { arguments } }, function(e, r)
    answer, failure = r, e
  end, buffer)
  return function()
    return failure or answer
  end
end

-- 1. A code action.
local before = text()
vim.api.nvim_win_set_cursor(0, { 3, 0 })
run_action("Flux: improve")
wait_for(function()
  return text() == vim.env.FLUX_TEST_EXPECTED:gsub("\n$", "")
end, "a code action edits the buffer")
check(vim.bo[buffer].modified, "the buffer is unsaved")
check(vim.fn.readblob(folder .. "/a.py") == on_disk, "the file on disk is as it was")
vim.cmd("silent undo")
check(text() == before, "one undo takes the edit back")
vim.cmd("silent redo")

-- 2. A chat command, while the user types: both are kept.
local answered = chat({ text = "Rename it.", uri = vim.uri_from_bufnr(buffer) })
wait_for(function()
  return #vim.tbl_filter(function(item)
    return item.value and item.value.kind == "report"
  end, vim.iter(client.progress):totable()) > 0
end, "progress is reported")
vim.api.nvim_buf_set_lines(buffer, 0, 0, false, { "# typed meanwhile 😋" })
wait_for(answered, "the command is answered")
check(answered().status == "completed", "the turn is completed")
check(text():find("# typed meanwhile 😋\n# ünsaved 😋\n", 1, true) == 1, "what was typed meanwhile is kept")
check(text():find("circle_area", 1, true) ~= nil, "the edit is made on the text as it is then")
check(vim.deep_equal(answered().unsaved, { "a.py" }), "the unsaved file is named")

-- 3. Typing in between, unseen by the server: Neovim skips the edit and says that it made it.
local original = vim.lsp.handlers["workspace/applyEdit"]
vim.lsp.handlers["workspace/applyEdit"] = function(...)
  vim.lsp.handlers["workspace/applyEdit"] = original
  vim.api.nvim_buf_set_lines(buffer, 0, 0, false, { "# typed in between" })
  return original(...)
end
answered = chat({ text = "Rename it again." })
wait_for(answered, "the command is answered")
check(answered().status == "completed", "the turn is completed")
check(text():find("# typed in between\n", 1, true) == 1, "what was typed in between is kept")
check(text():find("def disc_area(r):\n", 1, true) ~= nil, "the edit is made all the same")

-- 4. A file that is not open.
local closed_on_disk = vim.fn.readblob(folder .. "/closed.py")
answered = chat({ text = "Edit the closed file." })
wait_for(answered, "the command is answered")
check(answered().status == "completed", "the turn is completed")
local closed = vim.fn.bufnr(folder .. "/closed.py")
check(closed ~= -1 and text(closed) == "one = 1\ntwo = 22", "a closed file is edited in a buffer")
check(vim.bo[closed].modified, "which is unsaved")
check(vim.fn.readblob(folder .. "/closed.py") == closed_on_disk, "the closed file on disk is as it was")

-- 5. A new file, and its removal by an undo of the turn.
answered = chat({ text = "Make a new file." })
wait_for(answered, "the second command is answered")
check(answered().status == "completed", "the turn is completed: " .. tostring(answered().error))
local new = vim.fn.bufnr(folder .. "/sub/new.py")
check(new ~= -1 and text(new) == "one = 1\ntwo = 2", "the new file is a buffer")
check(vim.bo[new].modified, "the new file is unsaved")
check(vim.uv.fs_stat(folder .. "/sub/new.py") == nil, "the new file is not on the disk")
local undone
client:request("workspace/executeCommand", { command = "flux.turn.undo", arguments = { vim.empty_dict() } }, function(e, r)
  undone = e or r
end, buffer)
wait_for(function()
  return undone
end, "the undo is answered")
check(undone.paths ~= nil, "the undo is done: " .. tostring(undone.message))
check(not vim.api.nvim_buf_is_valid(new), "the new buffer is gone")

-- 6. An explanation, as a document.
vim.api.nvim_win_set_buf(0, buffer)
vim.api.nvim_win_set_cursor(0, { 1, 0 })
run_action("Flux: explain")
wait_for(function()
  return vim.api.nvim_buf_get_name(0):match("%.md$") ~= nil
end, "an explanation is shown as a document")
check(text(vim.api.nvim_get_current_buf()):find("It computes an area.", 1, true) ~= nil, "with the model's words")
vim.api.nvim_set_current_buf(buffer)

-- 7. An error in words.
answered = chat({ text = 7 })
wait_for(answered, "wrong arguments are answered")
check((answered().message or ""):find("`text` must be a string", 1, true) ~= nil, "and say what is wrong")

client:stop(false)
wait_for(function()
  return vim.lsp.get_client_by_id(id) == nil
end, "the server ends")
check(vim.fn.readblob(folder .. "/a.py") == on_disk, "the file on disk is still as it was")
for _, message in ipairs(messages) do
  io.stderr:write("note " .. message .. "\n")
end
os.exit(0)
