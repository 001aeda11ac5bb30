-- What the tests in a real Neovim share: checks, which are named on standard error, and a server to ask.

local M = {}

function M.check(condition, what)
  io.stderr:write((condition and "ok   " or "FAIL ") .. what .. "\n")
  if not condition then
    os.exit(1)
  end
end

function M.wait_for(condition, what)
  M.check(vim.wait(10000, condition, 5), what)
end

--- What the user is told from now on, and a condition for `vim.wait`: something of it has the pattern.
function M.listen()
  local messages = {}
  vim.notify = function(message)
    table.insert(messages, message)
  end
  local function told(pattern)
    return function()
      return vim.iter(messages):any(function(message)
        return message:find(pattern) ~= nil
      end)
    end
  end
  return messages, told
end

--- Flux's plugin, set up for the folder as a user would; its server starts with `vim.lsp.enable`.
function M.set_up(folder)
  vim.cmd("filetype on")
  vim.cmd("runtime plugin/flux.lua") -- `-l` runs before plugins are loaded
  vim.lsp.config("flux", { cmd = { vim.env.FLUX_PYTHON, "-m", "flux", "serve" }, root_dir = folder })
end

--- The folder of the test, with the plugin at work in its `a.py`.
function M.open()
  local folder = vim.env.FLUX_TEST_FOLDER
  M.set_up(folder)
  vim.lsp.enable("flux")
  vim.cmd.edit(folder .. "/a.py")
  return folder
end

--- Stop all servers, and wait for their end.
function M.stop()
  for _, client in ipairs(vim.lsp.get_clients()) do
    client:stop(false)
  end
  M.wait_for(function()
    return #vim.lsp.get_clients() == 0
  end, "the server ends")
end

--- A server for the folder and the buffers, once it is initialized.
function M.serve(folder, buffers)
  local id = assert(vim.lsp.start({
    name = "flux",
    cmd = { vim.env.FLUX_PYTHON, "-m", "flux", "serve" },
    root_dir = folder,
    workspace_folders = { { uri = vim.uri_from_fname(folder), name = "test" } },
  }))
  for _, buffer in pairs(buffers) do
    vim.lsp.buf_attach_client(buffer, id)
  end
  local client = assert(vim.lsp.get_client_by_id(id))
  M.wait_for(function()
    return client.initialized == true
  end, "the server is initialized")
  return client
end

--- The error and the result of a command.
function M.ask(client, buffer, command, argument)
  local failure, result
  client:request("workspace/executeCommand", { command = command, arguments = { argument } }, function(e, r)
    failure, result = e, r
  end, buffer)
  M.wait_for(function()
    return failure ~= nil or result ~= nil
  end, command .. " is answered")
  return failure, result
end

return M
