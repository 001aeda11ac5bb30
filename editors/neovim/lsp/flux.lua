-- Flux as a language server for every buffer that is a file; `vim.lsp.enable("flux")` uses this.
-- Change any of it by `vim.lsp.config("flux", { ... })`.

---@type vim.lsp.Config
return {
  cmd = { "flux", "serve" },
  root_markers = { ".git", ".hg", ".jj", ".flux" },
  init_options = { turnEvents = true, query = { "definition", "references", "hover", "symbols", "rename", "diagnostics" } },
  commands = {
    ["flux.review.accept"] = function(command, context)
      require("flux.review").on_command(command, context)
    end,
    ["flux.review.reject"] = function(command, context)
      require("flux.review").on_command(command, context)
    end,
  },
  handlers = {
    ["flux/turnEvent"] = function(_, event, context)
      require("flux.chat").on_event(event, context.client_id)
      require("flux.review").on_event(event)
    end,
    ["flux/editor/query"] = function(...)
      return require("flux.query").answer(...)
    end,
  },
}
