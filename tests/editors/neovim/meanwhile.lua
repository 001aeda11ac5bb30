-- A chat in a real Neovim while a turn runs: queued, steered, taken back; gone on with from before; and its context.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder nvim --headless --clean --cmd 'set rtp^=editors/neovim' -l meanwhile.lua
--
-- The folder holds a.py, and FLUX_SCRIPT (in the environment) the model's answers: tests/editors/test_neovim_sessions.py.
-- Exit status 0: every check passed. The checks are named on standard error.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")
local messages, told = checks.listen()

local function text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
end

local function chat()
  return text(vim.fn.bufnr("flux://chat"))
end

local function wait_for(condition, what)
  local came = vim.wait(tonumber(vim.env.FLUX_TEST_BOUND_MS), condition, 5)
  checks.check(came, came and what or ("%s; told: %s; the chat: %s"):format(what, vim.inspect(messages), chat()))
end

local function has(part)
  return function()
    return chat():find(part, 1, true) ~= nil
  end
end

vim.ui.select = function(items, options, choose)
  table.insert(messages, options.prompt)
  local shown = vim.tbl_map(options.format_item or tostring, items)
  local wanted = shown[1] == "Keep the files" and "Take their changes back" or "and then"
  checks.check(shown[2] == wanted, ("%s is offered: %s"):format(wanted, vim.inspect(shown)))
  choose(items[2])
end
vim.ui.input = function(options, on_answer)
  on_answer(options.default .. ", said otherwise")
end

checks.open()
local buffer = vim.api.nvim_get_current_buf()

-- 1. What is said while the first turn runs.
vim.cmd("Flux the first")
wait_for(has("slowly"), "the first turn runs")
vim.cmd("Flux and then")
wait_for(has("- queued: and then"), "a message waits")
vim.cmd("Flux and not this")
wait_for(has("- queued: and not this"), "another one waits")
vim.cmd("FluxWithdraw")
wait_for(told("^Flux: taken back: and not this$"), "it is taken back")
vim.cmd("FluxSteer mind the gap")
wait_for(has("- steered: mind the gap"), "the turn takes along what is said to it")
wait_for(has("## You\n\nand then\n\n## scripted\n\n"), "the message that waited has its turn")
wait_for(has("Second.\n\n*done"), "and its answer")

-- 2. Its context.
vim.cmd("FluxContext show")
wait_for(function()
  return text(0):find("a.py", 1, true) ~= nil and vim.bo.buftype == "nofile"
end, "the next request is shown")
vim.cmd("bwipeout")
vim.cmd("FluxContext pin")
wait_for(told("^Flux: pinned: a%.py$"), "the file is pinned")
vim.cmd("FluxContext unpin")
wait_for(told("^Flux: nothing is pinned$"), "the file is pinned no more")
vim.cmd("FluxContext compact")
wait_for(told("^Flux: the earlier turns are summarized$"), "the earlier turns are summarized")

-- 3. From before the second message, which is said otherwise; what came of it is taken back.
checks.check(text(buffer) == "ocelot = 1", "the second turn has edited the file: " .. text(buffer))
vim.cmd("FluxSession fork")
wait_for(told("goes on from before message 2"), "the user is told where it goes on")
wait_for(function()
  return text(buffer) == "cat = 1"
end, "the file is as it was before that message")
wait_for(has("## You\n\nand then, said otherwise"), "the message is said otherwise")
wait_for(has("Third."), "and answered")
checks.check(not has("Second.")(), "what came after it is no part of the new session")

-- 4. The window is nearly full by now.
wait_for(has("*A summary stands for the earlier turns now · "), "the earlier turns are summarized by themselves")
wait_for(has("\n\n> In short:\n> a gap.\n"), "and the summary is shown")
os.exit(0)
