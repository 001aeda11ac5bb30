--- What other servers and linters found in a buffer, for Flux when it asks: flux/editor/query in docs/protocol.md.

local M = {}

local QUIET_MS = 150 -- several may report one after the other
local LOOK_MS = 20

--- When problems last came for a buffer: its count of changes then, which is its version in LSP, and the time.
---@type table<integer, { version: integer, at: integer }>
local seen = {}

vim.api.nvim_create_autocmd("DiagnosticChanged", {
  group = vim.api.nvim_create_augroup("flux.problems", {}),
  callback = function(event)
    if vim.api.nvim_buf_is_valid(event.buf) then
      seen[event.buf] = { version = vim.api.nvim_buf_get_changedtick(event.buf), at = vim.uv.now() }
    end
  end,
})

--- The servers of a buffer beside Flux.
---@param buffer integer
---@return vim.lsp.Client[]
local function other_clients(buffer)
  return vim.tbl_filter(function(client)
    return client.name ~= "flux"
  end, vim.lsp.get_clients({ bufnr = buffer }))
end

---@param client vim.lsp.Client
---@return boolean
local function is_told_of_saving_only(client)
  local sync = client.server_capabilities.textDocumentSync
  local change = type(sync) == "table" and sync.change or sync
  return not change or change == vim.lsp.protocol.TextDocumentSyncKind.None
end

---@param buffer integer
---@param encoding string
---@return lsp.Diagnostic[]
local function shown(buffer, encoding)
  local function position(line, column)
    local text = vim.api.nvim_buf_get_lines(buffer, line, line + 1, false)[1] or ""
    return { line = line, character = vim.str_utfindex(text, encoding, math.min(column, #text), false) }
  end
  return vim.tbl_map(function(item) ---@param item vim.Diagnostic
    return {
      range = {
        start = position(item.lnum, item.col),
        ["end"] = position(item.end_lnum or item.lnum, item.end_col or item.col),
      },
      message = item.message,
      severity = item.severity,
      source = item.source,
      code = item.code,
    }
  end, vim.diagnostic.get(buffer))
end

--- Let Neovim go on until it is so, or the time is over.
---@param condition fun(): boolean
---@param bound_ms integer
---@return boolean
local function await(condition, bound_ms)
  local running = assert(coroutine.running())
  local until_ms = vim.uv.now() + bound_ms
  local function look()
    local is_so = condition()
    if is_so or vim.uv.now() >= until_ms then
      coroutine.resume(running, is_so)
    else
      vim.defer_fn(look, LOOK_MS)
    end
  end
  vim.schedule(look)
  return coroutine.yield()
end

---@param params { uri: lsp.DocumentUri, version: integer, waitMs: integer }
---@param context lsp.HandlerContext
---@return { diagnostics: lsp.Diagnostic[], when?: "saved" }|vim.NIL
function M.answer(_, params, context)
  local client = assert(vim.lsp.get_client_by_id(context.client_id))
  local buffer = vim.fn.bufnr(vim.uri_to_fname(params.uri))
  if buffer == -1 or not vim.api.nvim_buf_is_loaded(buffer) then
    return { diagnostics = {} }
  end
  if params.waitMs > 0 then
    local others = other_clients(buffer)
    if #others == 0 and vim.tbl_isempty(vim.diagnostic.get_namespaces()) then
      return vim.NIL -- nobody reports here
    end
    if #others > 0 and vim.iter(others):all(is_told_of_saving_only) then
      return { diagnostics = {}, when = "saved" }
    end
    local has_come = await(function()
      local last = seen[buffer]
      return last ~= nil and last.version >= params.version and vim.uv.now() - last.at >= QUIET_MS
    end, params.waitMs)
    if not has_come or not vim.api.nvim_buf_is_loaded(buffer) then
      return vim.NIL
    end
  end
  return { diagnostics = shown(buffer, client.offset_encoding) }
end

return M
