--- `:checkhealth flux`: whether the server can run, and what it answers.

local M = {}

local ANSWER_MS = 10000

---@param argv string[]
---@return string? version
local function server_version(argv)
  local command = { unpack(argv, 1, #argv - 1) }
  table.insert(command, "--version")
  local ran, done = pcall(function()
    return vim.system(command, { text = true }):wait(ANSWER_MS)
  end)
  return ran and done.code == 0 and vim.trim(done.stdout) or nil
end

local function check_model()
  local client = vim.lsp.get_clients({ name = "flux" })[1]
  if not client then
    vim.health.info("No server runs now: open a file, or use :Flux.")
    return
  end
  vim.health.ok("A server runs for " .. (client.root_dir or "the files' own folders"))
  local answer = client:request_sync(
    "workspace/executeCommand",
    { command = "flux.model.list", arguments = { vim.empty_dict() } },
    ANSWER_MS
  )
  if not answer then
    vim.health.error("The server does not answer; see :LspLog.")
  elseif answer.err then
    vim.health.error(answer.err.message)
  else
    vim.health.ok(("Provider %s, model %s"):format(answer.result.provider, answer.result.present))
  end
end

function M.check()
  vim.health.start("flux")
  if vim.fn.has("nvim-0.11") == 0 then
    vim.health.error("Neovim 0.11 or newer is needed.")
    return
  end
  local argv = vim.lsp.config.flux.cmd
  local version = type(argv) == "table" and server_version(argv)
  if version then
    vim.health.ok(("%s (%s)"):format(version, table.concat(argv, " ")))
  elseif type(argv) == "table" then
    vim.health.error(("%s does not run."):format(argv[1]), {
      "Install Flux: python3 -m pip install . in its folder.",
      'Or name it: vim.lsp.config("flux", { cmd = { "/path/to/python", "-m", "flux", "serve" } })',
    })
    return
  end
  if vim.lsp.is_enabled and vim.lsp.is_enabled("flux") then
    vim.health.ok("It is enabled for every file.")
  else
    vim.health.info('It is started by :Flux only; vim.lsp.enable("flux") offers its code actions in every file.')
  end
  check_model()
end

return M
