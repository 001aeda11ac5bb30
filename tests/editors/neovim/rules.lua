-- What Neovim's own handler makes of edits of two buffers at version 5; one line of JSON on standard error.
--
--   FLUX_TEST_ROWS='[[5,4], ...]' nvim --headless --clean -l rules.lua

local found = {}
for index, versions in ipairs(vim.json.decode(vim.env.FLUX_TEST_ROWS)) do
  local changes, buffers = {}, {}
  for number = 1, 2 do
    local buffer = vim.fn.bufadd(("/nowhere/%d-%d"):format(index, number))
    vim.fn.bufload(buffer)
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, { "old" })
    vim.lsp.util.buf_versions[buffer] = 5
    buffers[number] = buffer
    local range = { start = { line = 0, character = 0 }, ["end"] = { line = 0, character = 3 } }
    local document = { uri = vim.uri_from_bufnr(buffer), version = versions[number] }
    changes[number] = { textDocument = document, edits = { { range = range, newText = "new" } } }
  end
  local ok = pcall(vim.lsp.util.apply_workspace_edit, { documentChanges = changes }, "utf-8")
  local texts = {}
  for number, buffer in ipairs(buffers) do
    texts[number] = vim.api.nvim_buf_get_lines(buffer, 0, 1, false)[1]
  end
  table.insert(found, { applied = ok, texts = texts })
end
io.stderr:write("\n" .. vim.json.encode(found) .. "\n")
os.exit(0)
