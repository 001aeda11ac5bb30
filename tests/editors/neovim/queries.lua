-- The model asks a real language server (pyright) through Neovim, and has it rename. See tests/editors/test_neovim_queries.py.
--
-- Exit status 0: every check passed. The checks are named on standard error.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local check = checks.check

local function wait_for(condition, what)
  check(vim.wait(20000, condition, 5), what)
end

local folder = vim.env.FLUX_TEST_FOLDER
checks.set_up(folder)
vim.lsp.config("pyright", { cmd = { vim.env.FLUX_TEST_PYRIGHT, "--stdio" }, filetypes = { "python" }, root_dir = folder })
vim.lsp.enable({ "flux", "pyright" })
local _, told = checks.listen()

vim.cmd.edit(folder .. "/a.py")
local buffer = vim.api.nvim_get_current_buf()
vim.api.nvim_buf_set_lines(buffer, 0, 0, false, { "# ünsaved 😋" })
vim.bo[buffer].undolevels = vim.bo[buffer].undolevels -- ends the undo step, as a key of the user's would
wait_for(function()
  return #vim.lsp.get_clients({ bufnr = buffer }) == 2
end, "both servers run")
wait_for(function()
  return vim.lsp.get_clients({ name = "pyright", bufnr = buffer })[1].server_capabilities.renameProvider
end, "pyright is ready")

vim.cmd("FluxEdit Look, and rename.")
wait_for(told("^Flux: done"), "the turn ends")
local text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n") .. "\n"
check(text == vim.env.FLUX_TEST_EXPECTED, "the rename is in the buffer: " .. text)
check(vim.bo[buffer].modified, "and is not saved")
vim.cmd("silent undo")
check(vim.api.nvim_buf_get_lines(buffer, 2, 3, false)[1] == "def area(r: int) -> int:", "one undo takes it back")
os.exit(0)
