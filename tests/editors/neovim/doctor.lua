-- The doctor in a real Neovim: by its command, in a buffer. See tests/editors/test_doctor_in_editors.py.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder nvim --headless --clean --cmd 'set rtp^=editors/neovim' -l doctor.lua
--
-- Exit status 0: every check passed. The checks are named on standard error.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local check = checks.check

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
end

local function wait_for(condition, what)
  local came = vim.wait(tonumber(vim.env.FLUX_TEST_BOUND_MS), condition, 5)
  check(came, came and what or ("%s; it is: %s"):format(what, text()))
end

checks.open()
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

checks.stop()
os.exit(0)
