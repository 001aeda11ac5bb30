--- What other servers know of the code, for Flux when it asks: flux/editor/query in docs/protocol.md.

local M = {}

local BOUND_MS = 12000 -- Flux itself waits for a little longer

---@class flux.Query
---@field kind "definition"|"references"|"hover"|"symbols"|"rename"|"diagnostics"
---@field uri? lsp.DocumentUri
---@field version? integer
---@field position? lsp.Position
---@field newName? string
---@field words? string
---@field waitMs? integer

---@alias flux.Answer { client: vim.lsp.Client, result: any } What one server said.

---@param uri lsp.DocumentUri
---@return integer? buffer Where it is loaded.
local function loaded(uri)
  local buffer = vim.fn.bufnr(vim.uri_to_fname(uri))
  return buffer ~= -1 and vim.api.nvim_buf_is_loaded(buffer) and buffer or nil
end

--- The text of a line as it is now, in a buffer or on the disk.
---@param uri lsp.DocumentUri
---@param line integer From 0.
---@return string
local function line_of(uri, line)
  local buffer = loaded(uri)
  if buffer then
    return vim.api.nvim_buf_get_lines(buffer, line, line + 1, false)[1] or ""
  end
  local read, lines = pcall(vim.fn.readfile, vim.uri_to_fname(uri), "", line + 1)
  return read and lines[line + 1] or ""
end

--- The same place in another encoding.
---@param uri lsp.DocumentUri
---@param place lsp.Position
---@param from string
---@param to string
---@return lsp.Position
local function recoded(uri, place, from, to)
  if from == to then
    return place
  end
  local text = line_of(uri, place.line)
  local byte = vim.str_byteindex(text, from, place.character, false)
  return { line = place.line, character = vim.str_utfindex(text, to, byte, false) }
end

---@param uri lsp.DocumentUri
---@param range lsp.Range
---@param from string
---@param to string
---@return lsp.Range
local function recoded_range(uri, range, from, to)
  return { start = recoded(uri, range.start, from, to), ["end"] = recoded(uri, range["end"], from, to) }
end

--- What all other servers that can say to a method. A file that is not open is asked about at all that run.
---@param flux vim.lsp.Client
---@param query flux.Query
---@param method string
---@param extra? table
---@return flux.Answer[]
local function ask(flux, query, method, extra)
  local running = assert(coroutine.running())
  local buffer = query.uri and loaded(query.uri) or nil
  local answers, left, is_over, is_waiting = {}, 0, false, false
  local asked = {} ---@type fun()[]
  local function finish()
    if not is_over and is_waiting then
      is_over = true
      coroutine.resume(running)
    end
  end
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = buffer, method = method })) do
    if client.name ~= flux.name then
      local params = extra and vim.deepcopy(extra) or {}
      params.textDocument = query.uri and { uri = query.uri } or nil
      params.position = query.position
        and recoded(query.uri, query.position, flux.offset_encoding, client.offset_encoding)
      left = left + 1
      local is_sent, request = client:request(method, params, function(_, result)
        left = left - 1
        if result and result ~= vim.NIL then
          table.insert(answers, { client = client, result = result })
        end
        if left == 0 then
          finish()
        end
      end, buffer)
      if is_sent then
        table.insert(asked, function()
          client:cancel_request(request)
        end)
      else
        left = left - 1
      end
    end
  end
  if left > 0 then
    is_waiting = true
    vim.defer_fn(finish, BOUND_MS)
    coroutine.yield()
  end
  if left > 0 then
    vim.iter(asked):each(function(cancel)
      cancel()
    end)
    error("no language server answered in time")
  end
  return answers
end

---@param flux vim.lsp.Client
---@param answers flux.Answer[]
---@return lsp.Location[]
local function locations(flux, answers)
  local found = {}
  for _, answer in ipairs(answers) do
    local places = vim.islist(answer.result) and answer.result or { answer.result }
    for _, place in ipairs(places) do
      local uri, range = place.uri or place.targetUri, place.range or place.targetSelectionRange
      range = recoded_range(uri, range, answer.client.offset_encoding, flux.offset_encoding)
      table.insert(found, { uri = uri, range = range })
    end
  end
  return found
end

---@param flux vim.lsp.Client
---@param answers flux.Answer[]
---@param uri? lsp.DocumentUri
---@return lsp.SymbolInformation[]
local function symbols(flux, answers, uri)
  local found = {}
  local function add(client, symbol, container)
    local place = symbol.location or { uri = uri, range = symbol.selectionRange }
    local range = place.range or { start = { line = 0, character = 0 }, ["end"] = { line = 0, character = 0 } }
    range = recoded_range(place.uri, range, client.offset_encoding, flux.offset_encoding)
    table.insert(found, {
      name = symbol.name,
      kind = symbol.kind,
      location = { uri = place.uri, range = range },
      containerName = symbol.containerName or container,
    })
    for _, child in ipairs(symbol.children or {}) do
      add(client, child, container and ("%s.%s"):format(container, symbol.name) or symbol.name)
    end
  end
  for _, answer in ipairs(answers) do
    for _, symbol in ipairs(answer.result) do
      add(answer.client, symbol)
    end
  end
  return found
end

--- The text edits of the first server that renames, with the versions that they are for.
---@param flux vim.lsp.Client
---@param answer flux.Answer
---@param versions table<integer, integer> Of the buffers, as they were when it was asked: the user may type meanwhile.
---@return lsp.TextDocumentEdit[]
local function changes(flux, answer, versions)
  local found = {}
  local function add(uri, edits)
    local buffer = loaded(uri)
    table.insert(found, {
      textDocument = { uri = uri, version = buffer and versions[buffer] or vim.NIL },
      edits = vim.tbl_map(function(edit)
        local range = recoded_range(uri, edit.range, answer.client.offset_encoding, flux.offset_encoding)
        return { range = range, newText = edit.newText }
      end, edits),
    })
  end
  if answer.result.documentChanges then
    for _, change in ipairs(answer.result.documentChanges) do
      if change.kind then
        error("it would do more than edit text")
      end
      add(change.textDocument.uri, change.edits)
    end
  else
    for uri, edits in pairs(answer.result.changes or {}) do
      add(uri, edits)
    end
  end
  return found
end

---@param flux vim.lsp.Client
---@param query flux.Query
---@return table|vim.NIL
local function answer(flux, query)
  local buffer = query.uri and loaded(query.uri)
  if buffer and type(query.version) == "number" and (vim.lsp.util.buf_versions[buffer] or 0) ~= query.version then
    error("the text is another by now")
  end
  if query.kind == "definition" then
    return { locations = locations(flux, ask(flux, query, "textDocument/definition")) }
  elseif query.kind == "references" then
    local context = { context = { includeDeclaration = true } }
    return { locations = locations(flux, ask(flux, query, "textDocument/references", context)) }
  elseif query.kind == "hover" then
    local parts = vim.tbl_map(function(found)
      return table.concat(vim.lsp.util.convert_input_to_markdown_lines(found.result.contents), "\n")
    end, ask(flux, query, "textDocument/hover"))
    return { text = table.concat(parts, "\n\n") }
  elseif query.kind == "symbols" and query.uri then
    return { symbols = symbols(flux, ask(flux, query, "textDocument/documentSymbol"), query.uri) }
  elseif query.kind == "symbols" then
    return { symbols = symbols(flux, ask(flux, query, "workspace/symbol", { query = query.words })) }
  end
  local versions = vim.deepcopy(vim.lsp.util.buf_versions)
  local renamed = ask(flux, query, "textDocument/rename", { newName = query.newName })[1]
  return renamed and { documentChanges = changes(flux, renamed, versions) } or vim.NIL
end

---@param query flux.Query
---@param context lsp.HandlerContext
---@return table|vim.NIL?, lsp.ResponseError?
function M.answer(_, query, context)
  if query.kind == "diagnostics" then
    return require("flux.problems").answer(_, query, context)
  end
  local is_answered, result = pcall(answer, assert(vim.lsp.get_client_by_id(context.client_id)), query)
  if is_answered then
    return result
  end
  local message = tostring(result):gsub("^.-:%d+: ", "")
  return nil, vim.lsp.rpc_response_error(vim.lsp.protocol.ErrorCodes.RequestFailed, message)
end

return M
