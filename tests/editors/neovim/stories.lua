-- The editing stories of tests/stories in a real Neovim, whose user types while edits are on their way.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder nvim --headless --clean -l stories.lua
--
-- The folder holds a.py, b.py and c.py, and FLUX_SCRIPT the model's answers: tests/editors/test_neovim_stories.py.

local folder = vim.env.FLUX_TEST_FOLDER

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local check = checks.check
local wait_for = checks.wait_for

local buffers = {}
for _, name in ipairs({ "a.py", "b.py", "c.py" }) do
  vim.cmd.edit(folder .. "/" .. name)
  buffers[name] = vim.api.nvim_get_current_buf()
end
local client = checks.serve(folder, buffers)

local function text(name)
  return table.concat(vim.api.nvim_buf_get_lines(buffers[name], 0, -1, false), " ")
end

local function run(command, argument)
  local failure, result = checks.ask(client, buffers["a.py"], command, argument)
  return failure or result
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
