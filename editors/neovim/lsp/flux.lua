-- Flux as a language server for every buffer that is a file; `vim.lsp.enable("flux")` uses this.
-- Change any of it by `vim.lsp.config("flux", { ... })`.

---@type vim.lsp.Config
return {
  cmd = { "flux", "serve" },
  root_markers = { ".git", ".hg", ".jj", ".flux" },
  init_options = { turnEvents = true, diagnostics = true },
  handlers = {
    ["flux/turnEvent"] = function(_, event, context)
      require("flux.chat").on_event(event, context.client_id)
    end,
    ["flux/editor/diagnostics"] = function(...)
      return require("flux.problems").answer(...)
    end,
  },
}
