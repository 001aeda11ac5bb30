-- Problems that come up with an edit, files that are moved and removed, in a real Neovim with the plugin.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder nvim --headless --clean --cmd 'set rtp^=editors/neovim' -l files.lua
--
-- The folder holds a.py and closed.py; tests/editors/test_neovim_files.py has the model's answers and looks at what it
-- was told. Exit status 0: every check passed. The checks are named on standard error.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local check = checks.check

local folder = vim.env.FLUX_TEST_FOLDER
vim.cmd("filetype on")
vim.lsp.config("flux", { cmd = { vim.env.FLUX_PYTHON, "-m", "flux", "serve" }, root_dir = folder })
vim.lsp.enable("flux")
vim.cmd.edit(folder .. "/a.py")
local buffer = vim.api.nvim_get_current_buf()

-- A linter: every line with "bad" is an error. It takes its time.
local namespace = vim.api.nvim_create_namespace("linter")
local function lint()
  local found = {}
  for number, line in ipairs(vim.api.nvim_buf_get_lines(buffer, 0, -1, false)) do
    local first = line:find("bad", 1, true)
    if first then
      table.insert(found, { lnum = number - 1, col = first - 1, end_col = first + 2, message = "bad word", source = "lint" })
    end
  end
  vim.diagnostic.set(namespace, buffer, found)
end
lint()
vim.api.nvim_buf_attach(buffer, false, {
  on_lines = function()
    vim.defer_fn(lint, 200)
  end,
})

local client
check(vim.wait(10000, function()
  client = vim.lsp.get_clients({ name = "flux", bufnr = buffer })[1]
  return client ~= nil and client.initialized == true
end, 10), "the server is initialized")

local function ask(command, argument)
  local answer
  client:request("workspace/executeCommand", { command = command, arguments = { argument } }, function(failure, result)
    answer = failure or result
  end, buffer)
  check(vim.wait(10000, function()
    return answer ~= nil
  end, 10), command .. " is answered")
  return answer
end

local function chat(text)
  local answer = ask("flux.chat.send", { text = text })
  check(answer.status == "completed", "the turn is completed: " .. tostring(answer.error or answer.message))
end

local function exists(name)
  return vim.uv.fs_stat(folder .. "/" .. name) ~= nil
end

local function text(name)
  return table.concat(vim.api.nvim_buf_get_lines(vim.fn.bufnr(folder .. "/" .. name), 0, -1, false), "\n")
end

local function undo(names)
  local undone = ask("flux.turn.undo", vim.empty_dict())
  check(undone.paths ~= nil, "it is taken back: " .. tostring(undone.message))
  check(vim.deep_equal(undone.paths, names), "and named: " .. vim.inspect(undone.paths))
end

-- 1. An edit that a linter finds fault with.
chat("Edit it.")
check(text("a.py") == "one = 'ü 😋'; bad = 1\nworse = 'bad'", "the edit is in the buffer: " .. text("a.py"))

-- 2. The file is moved with the unsaved text; then it goes back.
chat("Move it.")
check(exists("sub/b.py") and not exists("a.py"), "the file is moved on the disk")
check(vim.fn.bufnr(folder .. "/a.py") == -1 or not vim.api.nvim_buf_is_loaded(vim.fn.bufnr(folder .. "/a.py")), "the old buffer is gone")
check(text("sub/b.py"):find("worse", 1, true) ~= nil, "the buffer has the text under the new name")
undo({ "a.py" })
check(exists("a.py") and not exists("sub/b.py"), "the file is back in its place")
check(text("a.py"):find("worse", 1, true) ~= nil, "with its text")

-- 3. A closed file is moved, and one removed; then they come back.
chat("Move and remove the others.")
check(exists("moved.py") and not exists("closed.py"), "the closed file is moved")
check(not exists("gone.py"), "the other is removed")
local undone = ask("flux.turn.undo", vim.empty_dict())
check(undone.paths ~= nil, "it is taken back: " .. tostring(undone.message))
check(exists("closed.py") and not exists("moved.py"), "the closed file is back")
check(text("gone.py") == "gone = 1", "the removed file is back, unsaved: " .. text("gone.py"))

client:stop(false)
check(vim.wait(10000, function()
  return vim.lsp.get_client_by_id(client.id) == nil
end, 10), "the server ends")
os.exit(0)
