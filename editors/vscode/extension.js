// Starts `agpt lsp` and hands it to the editor; all knowledge of the language is in there.
"use strict";

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

async function start() {
  const command = vscode.workspace.getConfiguration("agpt").get("path") || "agpt";
  const server = { command, args: ["lsp"], transport: TransportKind.stdio };
  // Modules of the workspace may change outside of the editor.
  const watcher = vscode.workspace.createFileSystemWatcher("**/*.agpt");
  client = new LanguageClient("agpt", "agpt", server, {
    documentSelector: [{ language: "agpt", scheme: "file" }, { language: "agpt", scheme: "untitled" }],
    synchronize: { fileEvents: watcher },
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const choice = await vscode.window.showErrorMessage(
      `The language server of agpt could not be started as \`${command} lsp\`: ${error.message}`,
      "Open settings",
    );
    if (choice) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "agpt.path");
    }
  } finally {
    if (!client) watcher.dispose();
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running) await running.dispose();
}

async function restart() {
  await stop();
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("agpt.restart", restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("agpt.path")) return restart();
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
