-- The commands. What they do is in lua/flux, loaded when the first is used.

if vim.g.loaded_flux then
  return
end
vim.g.loaded_flux = true

---@param name string
---@param description string
---@param options vim.api.keyset.user_command
---@param run fun(flux: table, given: vim.api.keyset.create_user_command.command_args)
local function command(name, description, options, run)
  options.desc = description
  vim.api.nvim_create_user_command(name, function(given)
    run(require("flux"), given)
  end, options)
end

command("Flux", "Say something to Flux, about this file or these lines; or accept, reject what it proposes here", {
  nargs = "*",
  range = true,
  complete = function(lead, line)
    local is_first = line:find("Flux%s+%S*$") ~= nil
    local words = is_first and { "accept", "reject" } or require("flux.review").SCOPES
    return vim.tbl_filter(function(word)
      return vim.startswith(word, lead)
    end, words)
  end,
}, function(flux, given)
  if not flux.review(given) then
    flux.chat(given.args, flux.lines_of(given))
  end
end)
command("FluxEdit", "Have Flux edit this file or these lines", { nargs = "*", range = true }, function(flux, given)
  flux.edit(given.args, flux.lines_of(given))
end)
command("FluxCancel", "Stop what Flux is doing", {}, function(flux)
  flux.cancel()
end)
command("FluxUndo", "Take back what Flux changed last", {}, function(flux)
  flux.undo()
end)
command("FluxRedo", "Make again what was taken back last", {}, function(flux)
  flux.redo()
end)
command("FluxCheckpoint", "Name this point, to return to it", { nargs = "*" }, function(flux, given)
  flux.checkpoint(given.args)
end)
command("FluxReturn", "Return to a checkpoint: by its name or number, or from a list", { nargs = "*" }, function(flux, given)
  flux.return_to(given.args)
end)
command("FluxModel", "Choose the model: a name, the beginning of one, or from a list", { nargs = "?" }, function(flux, given)
  flux.model(given.args)
end)
command("FluxUsage", "Show tokens and cost", {}, function(flux)
  flux.usage()
end)
command("FluxSession", "Go on with a stored session, or from an earlier message; search, rename, export, delete", {
  nargs = "+",
  complete = function(lead)
    return vim.tbl_filter(function(word)
      return vim.startswith(word, lead)
    end, { "resume", "fork", "search", "rename", "export", "delete" })
  end,
}, function(flux, given)
  local verb, rest = given.args:match("^(%S+)%s*(.*)$")
  flux.session(verb, rest)
end)
command("FluxSteer", "Say something to the turn that runs", { nargs = "*", range = true }, function(flux, given)
  flux.chat(given.args, flux.lines_of(given), "steer")
end)
command("FluxWithdraw", "Take back the last message that waits", {}, function(flux)
  flux.withdraw()
end)
command("FluxContext", "What the next message would send: show, pin, unpin, compact", {
  nargs = "+",
  complete = function(lead)
    return vim.tbl_filter(function(word)
      return vim.startswith(word, lead)
    end, { "show", "pin", "unpin", "compact" })
  end,
}, function(flux, given)
  local verb, rest = given.args:match("^(%S+)%s*(.*)$")
  flux.context(verb, rest)
end)
command("FluxDoctor", "Show what works here and what does not", {}, function(flux)
  flux.doctor()
end)
command("FluxNew", "Begin a new chat", {}, function(flux)
  flux.new_chat()
end)
