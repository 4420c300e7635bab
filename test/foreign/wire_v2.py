# Wire v2 in Python, standard library only, written from docs/protocol.md alone. `check FILE` reads golden frames and writes
# them again; `golden` prints them; `proof` computes the proofs of a handshake that is given as JSON on stdin.
import hashlib, hmac, json, struct, sys

TYPES = {"Request": 0x01, "Cancel": 0x02, "Signal": 0x03, "Terminate": 0x04, "Window": 0x05, "Started": 0x11, "Output": 0x12, "Result": 0x13, "Report": 0x14, "Heartbeat": 0x21, "Error": 0x22, "Acknowledge": 0x23, "Resume": 0x24}
NAMES = {number: name for name, number in TYPES.items()}
FROM_BOTH = {"Heartbeat", "Error", "Acknowledge", "Resume"}
FROM_HOST = {"Request", "Cancel", "Signal", "Terminate", "Window"} | FROM_BOTH
FROM_AGENT = {"Started", "Output", "Result", "Report"} | FROM_BOTH
ALLOWED = {"Request": 1 | 2, "Started": 4, "Output": 2 | 4, "Result": 1 | 2 | 4 | 8 | 16 | 32}
MORE = 1


class Fault(Exception):
    pass


def text(value):
    data = value.encode("utf-8")
    return struct.pack("<I", len(data)) + data


def encode_body(message):
    """Flags and body of a message."""
    kind = message["type"]
    flags, body = 0, b""
    if kind == "Request":
        body = text(message["task_id"]) + text(message["command"])
        body += struct.pack("<I", len(message["args"])) + b"".join(map(text, message["args"]))
        body += struct.pack("<I", len(message["env"])) + b"".join(text(name) + text(value) for name, value in message["env"])
        if message["input_hex"] is not None:
            flags |= 2
            body += bytes.fromhex(message["input_hex"])
    elif kind in ("Signal", "Error", "Report"):
        body = message["text"].encode("utf-8")
    elif kind == "Terminate":
        body = struct.pack("<I", message["grace_ms"])
    elif kind == "Window":
        body = struct.pack("<I", message["bytes"])
    elif kind in ("Acknowledge", "Resume"):
        body = struct.pack("<Q", message["count"])
    elif kind == "Heartbeat":
        body = bytes.fromhex(message["payload_hex"])
    if kind in ("Started", "Output", "Result") and message["output_offset"] is not None:
        flags |= 4
        body += struct.pack("<Q", message["output_offset"])
    if kind == "Output":
        flags |= 2 if message["channel"] == "stderr" else 0
        body += bytes.fromhex(message["output_hex"])
    if kind == "Result":
        flags |= 2 if message["status"] == "Failed" else 0
        if message["exit_code"] is not None:
            flags |= 8
            body += struct.pack("<i", message["exit_code"])
        if message["error"] is not None:
            flags |= 16
            body += text(message["error"])
        if message["output_hex"] is not None:
            flags |= 32
            body += bytes.fromhex(message["output_hex"])
    return flags, body


def frame(kind, flags, request_id, body):
    return struct.pack("<IBBHQ", len(body), TYPES[kind], flags, 0, request_id) + body


def encode(message, pieces=None):
    """The frame of a message, or its frames where `pieces` has the lengths of all pieces but the last."""
    flags, body = encode_body(message)
    kind, request_id = message["type"], message.get("request_id", 0)
    frames = b""
    for length in pieces or []:
        frames += frame(kind, flags | MORE, request_id, body[:length])
        body = body[length:]
    return frames + frame(kind, flags, request_id, body)


class Body:
    def __init__(self, data):
        self.data = data

    def take(self, length):
        if length > len(self.data):
            raise Fault("a body ends in the middle of a field")
        taken, self.data = self.data[:length], self.data[length:]
        return taken

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self):
        return self.take(self.number("<I")).decode("utf-8")

    def rest(self):
        return self.take(len(self.data))


def decode_body(kind, flags, request_id, body):
    message = {"type": kind}
    if kind in ("Signal", "Terminate", "Error", "Acknowledge", "Resume"):
        if request_id != 0:
            raise Fault("a request id where none belongs")
    else:
        message["request_id"] = request_id
    if kind in ("Started", "Output", "Result"):
        message["output_offset"] = body.number("<Q") if flags & 4 else None
        if message["output_offset"] is not None and message["output_offset"] >= 2**53:
            raise Fault("a number of 2^53 or more")
    if kind == "Request":
        message["task_id"] = body.text()
        message["command"] = body.text()
        message["args"] = [body.text() for _ in range(body.number("<I"))]
        message["env"] = [[body.text(), body.text()] for _ in range(body.number("<I"))]
        if len({name for name, _ in message["env"]}) < len(message["env"]):
            raise Fault("a variable twice")
        message["input_hex"] = body.rest().hex() if flags & 2 else None
    elif kind in ("Signal", "Error", "Report"):
        message["text"] = body.rest().decode("utf-8")
    elif kind == "Terminate":
        message["grace_ms"] = body.number("<I")
    elif kind == "Window":
        message["bytes"] = body.number("<I")
    elif kind in ("Acknowledge", "Resume"):
        message["count"] = body.number("<Q")
        if message["count"] >= 2**53:
            raise Fault("a number of 2^53 or more")
    elif kind == "Heartbeat":
        message["payload_hex"] = body.rest().hex()
    elif kind == "Output":
        message["channel"] = "stderr" if flags & 2 else "stdout"
        message["output_hex"] = body.rest().hex()
    elif kind == "Result":
        message["status"] = "Failed" if flags & 2 else "Completed"
        message["exit_code"] = body.number("<i") if flags & 8 else None
        message["error"] = body.text() if flags & 16 else None
        message["output_hex"] = body.rest().hex() if flags & 32 else None
    if body.data:
        raise Fault("bytes behind the last field")
    return message


def decode(data, expected):
    """All messages of a byte string, which must end with a whole frame. Pieces are joined."""
    messages, unfinished = [], {}
    while data:
        if len(data) < 16:
            raise Fault("the end of the bytes within a header")
        length, number, flags, zero, request_id = struct.unpack("<IBBHQ", data[:16])
        kind = NAMES.get(number)
        if kind not in expected or flags & ~ALLOWED.get(kind, 0) or zero != 0 or request_id >= 2**53:
            raise Fault("a header that does not exist")
        if len(data) < 16 + length:
            raise Fault("the end of the bytes within a body")
        body, data = data[16 : 16 + length], data[16 + length :]
        held = unfinished.get(request_id)
        if flags & MORE or (held is not None and held[0] == kind):
            if flags & MORE and length == 0:
                raise Fault("an empty piece that is not the last")
            if held is None:
                if len(unfinished) == 4:
                    raise Fault("too many unfinished bodies")
                held = unfinished[request_id] = (kind, flags & ~MORE, bytearray())
            if held[:2] != (kind, flags & ~MORE):
                raise Fault("pieces of different types or flags")
            held[2].extend(body)
            if flags & MORE:
                continue
            body = bytes(unfinished.pop(request_id)[2])
        if kind == "Cancel":
            unfinished.pop(request_id, None)
        messages.append(decode_body(kind, flags & ~MORE, request_id, Body(body)))
    if unfinished:
        raise Fault("the end of the bytes between two pieces")
    return messages


def proofs(given):
    def mac(purpose):
        parts = [f"spearlet {purpose}", ",".join(map(str, given["protocols"])), ",".join(given["features"]), str(given["protocol"])]
        parts += [given["agent_nonce"], given["host_nonce"], str(given["epoch"]), given["instance_id"]]
        return hmac.new(given["token"].encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()

    return {"host_proof": mac("host"), "agent_proof": mac("agent"), "resume_key": mac("resume")}


def golden():
    """(name, to whom, message, lengths of pieces)"""
    big, odd = 2**53 - 1, "é ✓ 😀\u0000\u2028\"\\ \ufffd"
    request = {"type": "Request", "request_id": 7, "task_id": "i-1/7", "command": "echo", "args": ["hello"], "env": [], "input_hex": None}
    for request_id in (0, 1, 2**32 - 1, 2**32, big):
        yield f"Request with id {request_id}", "agent", {**request, "request_id": request_id}, []
    yield "Request with empty texts", "agent", {**request, "task_id": "", "command": "", "args": ["", ""], "env": [["", ""]]}, []
    yield "Request without arguments", "agent", {**request, "args": []}, []
    yield "Request with text beyond ASCII", "agent", {**request, "task_id": odd, "command": odd, "args": [odd], "env": [[odd, odd]]}, []
    yield "Request with variables", "agent", {**request, "env": [["B", "2"], ["A", "1"], ["__proto__", "x"], ["9", ""]]}, []
    for length in (23, 24, 25, 255, 256, 257, 4096, 4097, 5000):
        yield f"Request with a text of {length}", "agent", {**request, "args": ["x" * length, "é" * (length // 2)]}, []
    yield "Request with empty input", "agent", {**request, "input_hex": ""}, []
    yield "Request with input", "agent", {**request, "input_hex": bytes(range(256)).hex()}, []
    yield "Request in two pieces", "agent", {**request, "input_hex": "00ff"}, [10]
    yield "Request in many pieces", "agent", {**request, "args": [odd]}, [1, 1, 2, 3, 5, 8]
    yield "Request whose last piece is empty", "agent", request, [len(encode(request)) - 16]
    for request_id in (0, 7, big):
        yield f"Cancel {request_id}", "agent", {"type": "Cancel", "request_id": request_id}, []
    for data in ("", "hello", odd, "x" * 300):
        yield f"Signal of {len(data)}", "agent", {"type": "Signal", "text": data}, []
    for grace in (0, 5000, 2**32 - 1):
        yield f"Terminate within {grace} ms", "agent", {"type": "Terminate", "grace_ms": grace}, []
    for size in (0, 32768, 2**32 - 1):
        yield f"Window of {size}", "agent", {"type": "Window", "request_id": 7, "bytes": size}, []
    for to in ("agent", "host"):
        for count in (0, 128, 2**32, big):
            yield f"Acknowledge {count} to the {to}", to, {"type": "Acknowledge", "count": count}, []
            yield f"Resume {count} to the {to}", to, {"type": "Resume", "count": count}, []
        for request_id, payload in ((1, ""), (0, "00"), (big, bytes(range(256)).hex())):
            yield f"Heartbeat {request_id} to the {to}", to, {"type": "Heartbeat", "request_id": request_id, "payload_hex": payload}, []
        yield f"Error to the {to}", to, {"type": "Error", "text": '{"code":"PROTOCOL_ERROR","message":"é"}'}, []
    for offset in (None, 0, 1, 2**32, big):
        yield f"Started at {offset}", "host", {"type": "Started", "request_id": 7, "output_offset": offset}, []
        for channel in ("stdout", "stderr"):
            for output in ("", "0a", bytes(range(256)).hex()):
                output_name = f"Output of {len(output) // 2} bytes on {channel} at {offset}"
                yield output_name, "host", {"type": "Output", "request_id": 7, "output_offset": offset, "channel": channel, "output_hex": output}, []
    result = {"type": "Result", "request_id": 7, "output_offset": None, "status": "Completed", "exit_code": None, "error": None, "output_hex": None}
    for flags in range(32):
        chosen = {
            "status": "Failed" if flags & 1 else "Completed",
            "output_offset": 12 if flags & 2 else None,
            "exit_code": 3 if flags & 4 else None,
            "error": "it failed" if flags & 8 else None,
            "output_hex": b"hello\n".hex() if flags & 16 else None,
        }
        yield f"Result with flags {flags * 2}", "host", {**result, **chosen}, []
    for code in (0, -1, 2**31 - 1, -(2**31)):
        yield f"Result with exit code {code}", "host", {**result, "exit_code": code}, []
    yield "Result with empty texts", "host", {**result, "error": "", "output_hex": ""}, []
    yield "Result with text beyond ASCII", "host", {**result, "error": odd, "output_hex": odd.encode().hex()}, []
    yield "Result with output that is no UTF-8", "host", {**result, "output_hex": "ff00fe80"}, []
    yield "Result with the largest numbers", "host", {**result, "request_id": big, "output_offset": big}, []
    for value in ("0.5", "null", '{"done":0.5,"message":"é"}', "[]"):
        yield f"Report of progress {value}", "host", {"type": "Report", "request_id": 7, "text": '{"signal":"progress","value":%s}' % value}, []
    exception = '{"signal":"exception","value":{"name":"RangeError","message":"no","stack":"RangeError: no\\n    at sum"}}'
    yield "Report of an exception", "host", {"type": "Report", "request_id": big, "text": exception}, []
    yield "Result in pieces", "host", {**result, "output_offset": 5, "exit_code": 0, "output_hex": "00" * 300}, [100, 7, 100]


def main():
    if sys.argv[1] == "golden":
        for name, to, message, pieces in golden():
            line = {"name": name, "to": to, "pieces": pieces, "frame_hex": encode(message, pieces).hex(), "decoded": message}
            print(json.dumps(line, ensure_ascii=True, separators=(",", ":")))
    elif sys.argv[1] == "check":
        count = 0
        for line in open(sys.argv[2], encoding="utf-8"):
            case = json.loads(line)
            data = bytes.fromhex(case["frame_hex"])
            messages = decode(data, FROM_HOST if case["to"] == "agent" else FROM_AGENT)
            if messages != [case["decoded"]]:
                sys.exit(f"{case['name']}: read as {messages}")
            if encode(messages[0], case["pieces"]) != data:
                sys.exit(f"{case['name']}: written otherwise")
            count += 1
        print(count)
    elif sys.argv[1] == "proof":
        print(json.dumps(proofs(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
