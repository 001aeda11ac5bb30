"""A whole client of Flux: `python small_client.py FILE WORDS` opens the file, chats, and shows what became of its text.

The file is never written: a change stands in `text`, as in an editor's unsaved buffer. See write-a-client.md.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

LINE_END = re.compile("\r\n|\n|\r")


class Client:
    def __init__(self, path: Path) -> None:
        self.uri, self.text, self.version = path.as_uri(), path.read_bytes().decode("utf-8"), 1
        self.server = subprocess.Popen(
            [sys.executable, "-m", "flux", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=path.parent
        )
        self.last_id = 0

    def send(self, **message: object) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.server.stdin.flush()

    def receive(self) -> dict:
        length = 0
        while line := self.server.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self.server.stdout.read(length))

    def request(self, method: str, params: object) -> object:
        """Ask, and do what the server asks or tells meanwhile."""
        self.last_id += 1
        self.send(id=self.last_id, method=method, params=params)
        while True:
            message = self.receive()
            if "method" not in message and message["id"] == self.last_id:
                if "error" in message:
                    raise SystemExit(message["error"]["message"])
                return message["result"]
            if "id" in message and "method" in message:
                self.send(id=message["id"], result=self.answer(message["method"], message["params"]))
            elif message.get("method") == "flux/turnEvent":
                self.show(message["params"])

    def answer(self, method: str, params: dict) -> object:
        if method == "workspace/applyEdit":
            return self.apply(params["edit"]["documentChanges"])
        return None  # of a question: its user gave no answer

    def apply(self, changes: list) -> dict:
        """All or nothing: an edit for another text than ours, or of another file, is not made."""
        for change in changes:
            if change.get("textDocument") != {"uri": self.uri, "version": self.version}:
                return {"applied": False, "failureReason": "This client has one file, and another version of it."}
        edits = [edit for change in changes for edit in change["edits"]]
        edits.sort(key=lambda edit: self.offset(edit["range"]["start"]))
        for edit in reversed(edits):
            start, end = self.offset(edit["range"]["start"]), self.offset(edit["range"]["end"])
            self.text = self.text[:start] + edit["newText"] + self.text[end:]
        self.version += 1
        document = {"uri": self.uri, "version": self.version}
        told = {"textDocument": document, "contentChanges": [{"text": self.text}]}
        self.send(method="textDocument/didChange", params=told)  # Flux believes the text, not the answer
        return {"applied": True}

    def offset(self, position: dict) -> int:
        """With the encoding utf-32 a character of a position is one of Python's."""
        starts = [0, *(found.end() for found in LINE_END.finditer(self.text))]
        return starts[position["line"]] + position["character"]

    def show(self, event: dict) -> None:
        if event["type"] == "text_delta":
            print(event["text"], end="", flush=True)
        elif event["type"] == "tool_call":
            print(f"[{event['title']}]")

    def run(self, words: str) -> None:
        edits = {"applyEdit": True, "workspaceEdit": {"documentChanges": True}}
        hello = {"processId": None, "rootUri": self.uri.rpartition("/")[0]}
        hello["capabilities"] = {"workspace": edits, "general": {"positionEncodings": ["utf-32"]}}
        self.request("initialize", {**hello, "initializationOptions": {"turnEvents": True}})
        self.send(method="initialized", params={})
        document = {"uri": self.uri, "languageId": "text", "version": self.version, "text": self.text}
        self.send(method="textDocument/didOpen", params={"textDocument": document})
        chat = {"command": "flux.chat.send", "arguments": [{"text": words, "uri": self.uri}]}
        turn = self.request("workspace/executeCommand", chat)
        print(f"\n--- {turn['summary']}\n{self.text}", end="")
        self.request("shutdown", None)
        self.send(method="exit")
        self.server.wait()


if __name__ == "__main__":
    Client(Path(sys.argv[1]).resolve()).run(" ".join(sys.argv[2:]))
