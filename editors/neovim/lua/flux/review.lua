--- What waits for review: told of, and accepted or rejected at the cursor, by file, by turn or all at once.
--- Where a change waits in the text is the server's to say.

local M = {}

---@alias flux.Verb "accept"|"reject"
---@alias flux.Scope "hunk"|"file"|"turn"|"all"
---@alias flux.Chosen { hunk?: string, file?: string, turn?: string }

M.SCOPES = { "hunk", "file", "turn", "all" }

---@param message string
---@param level? integer
local function say(message, level)
  vim.notify("Flux: " .. message, level or vim.log.levels.INFO)
end

---@param client vim.lsp.Client
---@param method string
---@param params table
---@param on_result fun(result: any)
local function request(client, method, params, on_result)
  client:request(method, params, function(failure, result)
    if failure then
      say(failure.message, vim.log.levels.ERROR)
    else
      on_result(result)
    end
  end)
end

---@param client vim.lsp.Client
---@param command string
---@param argument table
---@param on_result fun(result: any)
local function run(client, command, argument, on_result)
  local given = next(argument) == nil and vim.empty_dict() or argument
  request(client, "workspace/executeCommand", { command = command, arguments = { given } }, on_result)
end

---@param client vim.lsp.Client
---@param chosen flux.Chosen
local function accept(client, chosen)
  run(client, "flux.review.accept", chosen, function(result)
    local reasons = {}
    for _, one in ipairs(result.refused) do
      reasons[one.reason] = true
    end
    if #result.refused > 0 then
      local why = table.concat(vim.tbl_keys(reasons), " ")
      return say(("%d not made: %s"):format(#result.refused, why), vim.log.levels.WARN)
    end
    say(("%d accepted, %d wait"):format(#result.accepted, result.pending))
  end)
end

--- The user may leave the question, and then nothing is rejected.
---@param client vim.lsp.Client
---@param chosen flux.Chosen
---@param reason? string
local function reject(client, chosen, reason)
  local function forget(why)
    if why then
      run(client, "flux.review.reject", vim.tbl_extend("error", { reason = why }, chosen), function(result)
        say(("%d rejected, %d wait"):format(#result.rejected, result.pending))
      end)
    end
  end
  if reason then
    return forget(reason)
  end
  vim.ui.input({ prompt = "Flux: why not? (may be empty) " }, forget)
end

---@param verb flux.Verb
---@param client vim.lsp.Client
---@param chosen flux.Chosen
---@param reason? string
local function decide(verb, client, chosen, reason)
  if verb == "accept" then
    accept(client, chosen)
  else
    reject(client, chosen, reason)
  end
end

--- The hunks that wait at the lines, as the server's menu has them.
---@param client vim.lsp.Client
---@param buffer integer
---@param lines flux.Lines
---@param on_hunks fun(hunks: string[])
local function hunks_at(client, buffer, lines, on_hunks)
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buffer) },
    range = {
      start = { line = lines.first - 1, character = 0 },
      ["end"] = { line = lines.last - 1, character = 0 },
    },
    context = { diagnostics = {}, only = { "flux.review.accept" } },
  }
  request(client, "textDocument/codeAction", params, function(actions)
    local hunks = vim.iter(actions or {}):map(function(action)
      return action.command.arguments[1].hunk
    end)
    on_hunks(hunks:totable())
  end)
end

---@param client vim.lsp.Client
---@param hunk? string
---@param on_turn fun(turn?: string) Of the hunk; else the last one that waits.
local function turn_of(client, hunk, on_turn)
  run(client, "flux.review.list", {}, function(result)
    local found = vim.iter(result.hunks):find(function(one)
      return one.hunk == hunk
    end) or result.hunks[#result.hunks]
    on_turn(found and found.turn)
  end)
end

--- Accept or reject what waits: at the lines, in the buffer's file, of the turn there, or all.
---@param verb flux.Verb
---@param scope flux.Scope
---@param client vim.lsp.Client
---@param buffer integer
---@param lines flux.Lines
---@param reason? string
function M.decide(verb, scope, client, buffer, lines, reason)
  if scope == "all" then
    return decide(verb, client, {}, reason)
  elseif scope == "file" then
    return decide(verb, client, { file = vim.uri_from_bufnr(buffer) }, reason)
  end
  hunks_at(client, buffer, lines, function(hunks)
    if scope == "turn" then
      return turn_of(client, hunks[1], function(turn)
        decide(verb, client, { turn = turn }, reason)
      end)
    end
    if #hunks == 0 then
      return say("nothing waits for review here", vim.log.levels.WARN)
    end
    for _, hunk in ipairs(hunks) do
      decide(verb, client, { hunk = hunk }, reason)
    end
  end)
end

--- A command of the server's out of its menu or a code lens.
---@param command lsp.Command
---@param context { client_id: integer }
function M.on_command(command, context)
  local verb = command.command == "flux.review.accept" and "accept" or "reject"
  decide(verb, assert(vim.lsp.get_client_by_id(context.client_id)), command.arguments[1])
end

--- Say that a turn proposes something.
---@param event table
function M.on_event(event)
  if event.type == "review" then
    local files = table.concat(event.paths, ", ")
    say(("%d proposed changes wait: %s (:Flux accept, :Flux reject)"):format(#event.hunks, files))
  end
end

return M
