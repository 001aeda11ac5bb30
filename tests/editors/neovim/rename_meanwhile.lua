-- The user types while another server makes a rename: its edits are for the text that was asked about, and say so.
-- See tests/editors/test_neovim_queries.py. Exit status 0: every check passed.

local checks = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/checks.lua")

vim.cmd.edit(vim.env.FLUX_TEST_FOLDER .. "/a.py")
local buffer = vim.api.nvim_get_current_buf()
local uri = vim.uri_from_bufnr(buffer)
local place = { start = { line = 0, character = 0 }, ["end"] = { line = 0, character = 3 } }

--- A server in this process, which is typed beside.
local function serve(name)
  return vim.lsp.start({
    name = name,
    cmd = function()
      local function request(method, _, answer)
        if method == "initialize" then
          answer(nil, { capabilities = { renameProvider = true, textDocumentSync = 2 } })
        elseif method == "textDocument/rename" then
          vim.schedule(function()
            vim.api.nvim_buf_set_lines(buffer, 0, 0, false, { "typed" })
            answer(nil, { changes = { [uri] = { { range = place, newText = "new" } } } })
          end)
        end
        return true, 1
      end
      local function nothing()
        return true
      end
      return { request = request, notify = nothing, is_closing = nothing, terminate = nothing }
    end,
  })
end

local flux = assert(serve("flux"))
serve("other")
local version = vim.lsp.util.buf_versions[buffer]
local told
coroutine.wrap(function()
  local question = { kind = "rename", uri = uri, version = version, position = place.start, newName = "new" }
  told = require("flux.query").answer(nil, question, { client_id = flux })
end)()
checks.check(
  vim.wait(5000, function()
    return told ~= nil
  end, 5),
  "the rename is answered"
)
checks.check(vim.lsp.util.buf_versions[buffer] ~= version, "the user has typed")
checks.check(told.documentChanges[1].textDocument.version == version, "the edits are for the text that was asked about")
os.exit(0)
