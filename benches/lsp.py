"""Times what an editor waits for after a keystroke in about a thousand lines, over the real protocol:
python3 benches/lsp.py target/release/agpt"""
import json
import statistics
import subprocess
import sys
import time

PIPELINE = """/// Pipeline {i}.
pipeline p{i}(photo: image, n: int = {i}) -> {{ words: text, n: int }} {{
  let words = generate text from caption(photo) {{ semantic: {{ temperature: 0.7 }} }}
  let again = "{{words}} {{n}}"
  return {{ words: again, n: n + 1 }}
}}
"""
URI = "file:///tmp/large.agpt"

server = subprocess.Popen([sys.argv[1], "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def send(method, params, number=None):
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        message["id"] = number
    body = json.dumps(message).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    server.stdin.flush()


def receive():
    length = 0
    while (line := server.stdout.readline().strip()):
        name, value = line.split(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(server.stdout.read(length))


def until(wanted):
    while not wanted(message := receive()):
        pass
    return message


text = "use std/tasks { caption }\n\n" + "\n".join(PIPELINE.format(i=i) for i in range(142))
lines = text.count("\n")
send("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, 0)
until(lambda m: m.get("id") == 0)
send("initialized", {})
send("textDocument/didOpen", {"textDocument": {"uri": URI, "languageId": "agpt", "version": 1, "text": text}})
published = lambda m: m.get("method") == "textDocument/publishDiagnostics"
until(published)
# In the middle of the file a letter of a name is typed and taken back, so that each time something
# else is reported, and a completion is asked for.
at = text.index("let words", text.index("pipeline p71(")) + len("let words")
line = text[:at].count("\n") + 1
column = len('  let again = "{words} {n}"')
keys, completions = [], []
for version in range(2, 62):
    typed = text[:at] + "s" * (version % 2 == 0) + text[at:]
    begun = time.perf_counter()
    changed = {"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": typed}]}
    send("textDocument/didChange", changed)
    until(published)
    keys.append((time.perf_counter() - begun) * 1e3)
    begun = time.perf_counter()
    asked = {"textDocument": {"uri": URI}, "position": {"line": line, "character": column}}
    send("textDocument/completion", asked, version)
    until(lambda m: m.get("id") == version)
    completions.append((time.perf_counter() - begun) * 1e3)
send("shutdown", None, 1)
until(lambda m: m.get("id") == 1)
send("exit", None)
server.wait()
for name, times in [("keystroke to diagnostics", keys), ("completion", completions)]:
    print(f"{lines} lines, {name}: median {statistics.median(times):.1f} ms, "
          f"least {min(times):.1f}, most {max(times):.1f}")
