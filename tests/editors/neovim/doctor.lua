-- The doctor in a real Neovim: by its command, in a buffer. See tests/editors/test_doctor_in_editors.py.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder nvim --headless --clean --cmd 'set rtp^=editors/neovim' -l doctor.lua
--
-- Exit status 0: every check passed. The checks are named on standard error.

local check = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua").check

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
end

local function wait_for(condition, what)
  local came = vim.wait(tonumber(vim.env.FLUX_TEST_BOUND_MS), condition, 5)
  check(came, came and what or ("%s; it is: %s"):format(what, text()))
end

local folder = vim.env.FLUX_TEST_FOLDER
vim.cmd("filetype on")
vim.cmd("runtime plugin/flux.lua") -- `-l` runs before plugins are loaded
vim.lsp.config("flux", { cmd = { vim.env.FLUX_PYTHON, "-m", "flux", "serve" }, root_dir = folder })
vim.lsp.enable("flux")
vim.cmd.edit(folder .. "/a.py")
local file = vim.api.nvim_get_current_buf()
vim.cmd("FluxDoctor")
wait_for(function()
  return text():find("provider scripted", 1, true) ~= nil
end, "it tells of what works")
check(text():find("editor\n[^\n]*Neovim[^\n]*it takes edits") ~= nil, "of this editor too")
for _, part in ipairs({ "✗  address", "nothing listens there", "Start the server", "→", "\n1 problem in" }) do
  check(text():find(part, 1, true) ~= nil, "and of what does not: " .. part)
end
check(vim.api.nvim_get_current_buf() ~= file and not vim.bo.modifiable, "in a buffer of its own")
check(vim.api.nvim_buf_get_name(0) == "", "without a file")

for _, client in ipairs(vim.lsp.get_clients()) do
  client:stop(false)
end
wait_for(function()
  return #vim.lsp.get_clients() == 0
end, "the server ends")
os.exit(0)
