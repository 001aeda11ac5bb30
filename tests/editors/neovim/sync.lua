-- Random edits in a real Neovim. After each round the model is shown the file, and what Neovim itself has as its text
-- is written beside: tests/editors/test_neovim.py compares the two.
--
--   FLUX_PYTHON=python FLUX_TEST_FOLDER=folder FLUX_TEST_TEXTS=file nvim --headless --clean -l sync.lua

local folder = vim.env.FLUX_TEST_FOLDER
local out = assert(io.open(vim.env.FLUX_TEST_TEXTS, "w"))
math.randomseed(20261121)

local function wait_for(condition, what)
  if not vim.wait(10000, condition, 5) then
    io.stderr:write("FAIL " .. what .. "\n")
    os.exit(1)
  end
end

local pieces = { "a", "b c", "é", "한", "😋", "e\u{301}", "\t", "\f", "\u{85}", "\u{2028}", "\r", "" }

local function random_line()
  local parts = {}
  for _ = 1, math.random(0, 4) do
    table.insert(parts, pieces[math.random(#pieces)])
  end
  return table.concat(parts)
end

local function random_lines()
  local lines = {}
  for _ = 1, math.random(1, 3) do
    table.insert(lines, random_line())
  end
  return lines
end

local function random_edit(buffer)
  local count = vim.api.nvim_buf_line_count(buffer)
  local kind = math.random(5)
  if kind == 1 then
    local first = math.random(0, count)
    vim.api.nvim_buf_set_lines(buffer, first, math.min(first + math.random(0, 2), count), false, random_lines())
  elseif kind == 2 then
    vim.cmd("silent! undo")
  elseif kind == 3 then
    vim.cmd("silent! " .. math.random(count) .. "delete")
  elseif kind == 4 then
    vim.cmd([[silent! %s/\r//g]])
  else
    local row = math.random(0, count - 1)
    local line = vim.api.nvim_buf_get_lines(buffer, row, row + 1, true)[1]
    local column = vim.str_byteindex(line, "utf-32", math.random(0, vim.str_utfindex(line, "utf-32")))
    vim.api.nvim_buf_set_text(buffer, row, column, row, #line, random_lines())
  end
  vim.bo[buffer].undolevels = vim.bo[buffer].undolevels -- each edit is a step of its own
end

for _, name in ipairs(vim.fn.readdir(folder)) do
  vim.cmd.edit(folder .. "/" .. name)
  local buffer = vim.api.nvim_get_current_buf()
  local id = assert(vim.lsp.start({
    name = "flux",
    cmd = { vim.env.FLUX_PYTHON, "-m", "flux", "serve" },
    root_dir = folder,
    offset_encoding = vim.env.FLUX_TEST_ENCODING,
    workspace_folders = { { uri = vim.uri_from_fname(folder), name = "test" } },
  }))
  wait_for(function()
    local client = vim.lsp.get_client_by_id(id)
    return client ~= nil and client.initialized == true and vim.lsp.buf_is_attached(buffer, id)
  end, "attached")
  local client = assert(vim.lsp.get_client_by_id(id))
  for round = 1, 8 do
    for _ = 1, round == 1 and 0 or 10 do
      random_edit(buffer)
    end
    local answer
    local arguments = { text = "Look.", uri = vim.uri_from_bufnr(buffer) }
    client:request("workspace/executeCommand", { command = "flux.chat.send", arguments = { arguments } }, function(e, r)
      answer = e or r
    end, buffer)
    wait_for(function()
      return answer ~= nil
    end, "answered")
    if answer.status ~= "completed" then
      io.stderr:write("FAIL " .. vim.inspect(answer) .. "\n")
      os.exit(1)
    end
    out:write(vim.json.encode({ name = name, round = round, text = vim.lsp._buf_get_full_text(buffer) }) .. "\n")
    out:flush()
  end
end
out:close()
os.exit(0)
