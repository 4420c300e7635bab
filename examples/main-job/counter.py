# An agent in plain Python 3 without an SDK: it speaks the protocol with socket and json. It counts lines and words.
import json, os, pathlib, socket, struct, sys, time

host, port = os.environ["SPEARLET_ADDR"].rsplit(":", 1)
sock = socket.create_connection((host.strip("[]"), int(port)))


def send(message_type, request_id, payload):
    now = time.time_ns()
    message = {
        "message_type": message_type,
        "request_id": request_id,
        "timestamp": {"secs_since_epoch": now // 10**9, "nanos_since_epoch": now % 10**9},
        "payload": list(payload if isinstance(payload, bytes) else json.dumps(payload).encode()),
    }
    body = json.dumps(message).encode()
    sock.sendall(struct.pack("<Q", len(body)) + body)


def read_exactly(count):
    data = b""
    while len(data) < count:
        chunk = sock.recv(count - len(data))
        if not chunk:
            sys.exit(0)  # the host is gone
        data += chunk
    return data


def receive():
    (length,) = struct.unpack("<Q", read_exactly(8))
    message = json.loads(read_exactly(length))
    return message["message_type"], message["request_id"], bytes(message["payload"])


def execute(request_id, request):
    def answer(status, output=None, error=None, exit_code=None):
        send("ExecuteResponse", request_id, {"task_id": request["task_id"], "status": status, "output": output, "error": error, "exit_code": exit_code})

    if request["command"] != "count":
        return answer("Failed", error=f"unknown command {request['command']!r}", exit_code=127)
    folder, ending = request["args"]
    answer("Started")
    lines = words = files = 0
    for path in sorted(path for path in pathlib.Path(folder).rglob("*" + ending) if path.is_file()):
        text = path.read_text(errors="replace")
        lines += text.count("\n")
        words += len(text.split())
        files += 1
        answer("Running", output=f"{text.count(chr(10)):6} lines  {path}\n")
    if files == 0:
        return answer("Failed", error=f"no {ending} files in {folder}", exit_code=3)
    answer("Completed", output=f"{files} files, {lines} lines, {words} words", exit_code=0)


send("AuthRequest", 1, {"instance_id": os.environ["SPEARLET_INSTANCE_ID"], "token": os.environ["SPEARLET_TOKEN"], "client_version": "counter.py 1"})
message_type, _, payload = receive()
if message_type != "AuthResponse" or not json.loads(payload)["success"]:
    sys.exit("refused")
while True:
    message_type, request_id, payload = receive()
    if message_type == "ExecuteRequest":
        execute(request_id, json.loads(payload))
    elif message_type == "Heartbeat":
        send("Heartbeat", request_id, payload)
    elif message_type == "Signal" and b"terminate" in payload:
        sys.exit(0)
