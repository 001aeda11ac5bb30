-- The editing stories of tests/stories in a real Neovim, whose user types while edits are on their way.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder nvim --headless --clean -l stories.lua
--
-- The folder holds a.py, b.py and c.py, and FLUX_SCRIPT the model's answers: tests/editors/test_neovim_stories.py.

local folder = vim.env.FLUX_TEST_FOLDER

local function check(condition, what)
  io.stderr:write((condition and "ok   " or "FAIL ") .. what .. "\n")
  if not condition then
    os.exit(1)
  end
end

local function wait_for(condition, what)
  check(vim.wait(10000, condition, 5), what)
end

local buffers = {}
for _, name in ipairs({ "a.py", "b.py", "c.py" }) do
  vim.cmd.edit(folder .. "/" .. name)
  buffers[name] = vim.api.nvim_get_current_buf()
end
local id = assert(vim.lsp.start({
  name = "flux",
  cmd = { vim.env.FLUX_PYTHON, "-m", "flux", "serve" },
  root_dir = folder,
  workspace_folders = { { uri = vim.uri_from_fname(folder), name = "test" } },
}))
for _, buffer in pairs(buffers) do
  vim.lsp.buf_attach_client(buffer, id)
end
local client = assert(vim.lsp.get_client_by_id(id))
wait_for(function()
  return client.initialized == true
end, "the server is initialized")

local function text(name)
  return table.concat(vim.api.nvim_buf_get_lines(buffers[name], 0, -1, false), " ")
end

local function run(command, arguments)
  local answer
  client:request("workspace/executeCommand", { command = command, arguments = { arguments } }, function(e, r)
    answer = e or r
  end, buffers["a.py"])
  wait_for(function()
    return answer ~= nil
  end, command .. " is answered")
  return answer
end

local function edit()
  return run("flux.edit", { uri = vim.uri_from_bufnr(buffers["a.py"]), instruction = "Go." })
end

local original = vim.lsp.handlers["workspace/applyEdit"]
local function before_edit(act)
  vim.lsp.handlers["workspace/applyEdit"] = function(...)
    vim.lsp.handlers["workspace/applyEdit"] = original
    act()
    return original(...)
  end
end

-- 1. One file, and Neovim's own undo.
check(edit().status == "completed" and text("a.py") == "one TWO three", "one file is edited: " .. text("a.py"))
vim.cmd.buffer(buffers["a.py"])
vim.cmd("silent undo")
check(text("a.py") == "one two three", "one undo takes it back")

-- 2. Typing elsewhere while the edit travels.
before_edit(function()
  vim.api.nvim_buf_set_lines(buffers["a.py"], 0, 0, false, { "typed" })
end)
edit()
check(text("a.py") == "typed one TWO three", "typing elsewhere is kept, and the edit made: " .. text("a.py"))
run("flux.turn.undo", vim.empty_dict())
check(text("a.py") == "typed one two three", "Flux's undo keeps it too: " .. text("a.py"))
run("flux.turn.redo", vim.empty_dict())
check(text("a.py") == "typed one TWO three", "a redo makes it again: " .. text("a.py"))
run("flux.checkpoint.restore", { checkpoint = "2" })
check(text("a.py") == "typed one two three", "the point before the turn comes back: " .. text("a.py"))

-- 3. Typing at the place of the edit.
before_edit(function()
  vim.api.nvim_buf_set_lines(buffers["a.py"], 2, 3, false, { "t!wo" })
end)
local answer = edit()
check(text("a.py") == "typed one t!wo three", "an edit under typing is refused: " .. text("a.py"))
check(#answer.unsaved == 0, "and not reported")

-- 4. Three files, of which one is stale: none changes.
vim.api.nvim_buf_set_lines(buffers["a.py"], 0, -1, false, { "one", "two", "three" })
before_edit(function()
  vim.api.nvim_buf_set_lines(buffers["b.py"], 1, 2, false, { "t!wo" })
end)
answer = edit()
check(#answer.unsaved == 0, "nothing is reported: " .. vim.inspect(answer.unsaved))
check(text("a.py") == "one two three" and text("c.py") == "one two three", "no other file is changed")
check(text("b.py") == "one t!wo three", "what was typed is kept")

for name in pairs(buffers) do
  check(vim.fn.readblob(folder .. "/" .. name) == vim.fn.readblob(folder .. "/../" .. name), name .. " is not saved")
end
client:stop(false)
os.exit(0)
