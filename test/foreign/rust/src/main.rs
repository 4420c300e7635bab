// An agent as somebody else would write it: the wire's own structs with real serde, blocking sockets, no SDK. It panics
// at the first frame it cannot read, answers out of order, and sends heartbeats with random ids that it wants back.
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum MessageType { AuthRequest, AuthResponse, ExecuteRequest, ExecuteResponse, Signal, Heartbeat, Error }

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SpearMessage { message_type: MessageType, request_id: u64, timestamp: SystemTime, payload: Vec<u8> }

#[derive(Serialize, Deserialize)]
struct AuthRequest { instance_id: String, token: String, client_version: String }

#[derive(Serialize, Deserialize)]
struct AuthResponse { success: bool, error_message: Option<String>, session_id: Option<String> }

#[derive(Serialize, Deserialize)]
struct ExecuteRequest { task_id: String, command: String, args: Vec<String>, env: HashMap<String, String> }

#[derive(Serialize, Deserialize)]
enum ExecutionStatus { Started, Running, Completed, Failed }

#[derive(Serialize, Deserialize)]
struct ExecuteResponse { task_id: String, status: ExecutionStatus, output: Option<String>, error: Option<String>, exit_code: Option<i32> }

fn send<T: Serialize>(stream: &mut TcpStream, message_type: MessageType, request_id: u64, payload: &T) {
    send_bytes(stream, message_type, request_id, serde_json::to_vec(payload).unwrap());
}

fn send_bytes(stream: &mut TcpStream, message_type: MessageType, request_id: u64, payload: Vec<u8>) {
    let message = SpearMessage { message_type, request_id, timestamp: SystemTime::now(), payload };
    let body = serde_json::to_vec(&message).unwrap();
    // Length and body in two writes, as the seed does it.
    stream.write_all(&(body.len() as u64).to_le_bytes()).unwrap();
    stream.write_all(&body).unwrap();
}

/// The next message; None where nothing has arrived for a while and nothing is half read.
fn receive(stream: &mut TcpStream) -> Option<SpearMessage> {
    let mut header = [0u8; 8];
    match stream.peek(&mut header) {
        Ok(0) => std::process::exit(0),
        Ok(_) => {}
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => return None,
        Err(error) => panic!("read: {error}"),
    }
    stream.set_read_timeout(None).unwrap();
    stream.read_exact(&mut header).unwrap();
    let mut body = vec![0u8; u64::from_le_bytes(header) as usize];
    stream.read_exact(&mut body).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    Some(serde_json::from_slice(&body).unwrap_or_else(|error| panic!("cannot read {:?}: {error}", String::from_utf8_lossy(&body))))
}

fn main() {
    let var = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let mut stream = TcpStream::connect(var("SPEARLET_ADDR")).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let auth = AuthRequest { instance_id: var("SPEARLET_INSTANCE_ID"), token: var("SPEARLET_TOKEN"), client_version: "1.0.0".into() };
    send(&mut stream, MessageType::AuthRequest, u64::MAX, &auth);
    let answer = loop { if let Some(message) = receive(&mut stream) { break message } };
    assert_eq!((answer.message_type.clone(), answer.request_id), (MessageType::AuthResponse, u64::MAX));
    let answer: AuthResponse = serde_json::from_slice(&answer.payload).unwrap();
    assert!(answer.success, "refused: {:?}", answer.error_message);
    assert!(answer.session_id.is_some());

    let mut state = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    let mut random = move || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state };
    let mut waiting: Vec<(u64, ExecuteRequest)> = Vec::new();
    let mut beats: HashSet<u64> = HashSet::new();
    let (mut sent, mut returned) = (0u64, 0u64);
    loop {
        let message = receive(&mut stream);
        let idle = message.is_none();
        if let Some(message) = message {
            match message.message_type {
                MessageType::ExecuteRequest => waiting.push((message.request_id, serde_json::from_slice(&message.payload).unwrap())),
                MessageType::Heartbeat if beats.remove(&message.request_id) => {
                    assert_eq!(message.payload, message.request_id.to_be_bytes());
                    returned += 1;
                }
                MessageType::Heartbeat => send_bytes(&mut stream, MessageType::Heartbeat, message.request_id, message.payload),
                MessageType::Signal if String::from_utf8_lossy(&message.payload).contains("terminate") => return,
                MessageType::Signal => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        if waiting.len() < 16 && !idle { continue }
        // Out of order: any of those that wait.
        while !waiting.is_empty() && (idle || waiting.len() > 8) {
            let (request_id, request) = waiting.swap_remove(random() as usize % waiting.len());
            if random() % 4 == 0 {
                let beat = random();
                beats.insert(beat);
                sent += 1;
                send_bytes(&mut stream, MessageType::Heartbeat, beat, beat.to_be_bytes().to_vec());
            }
            let mut answer = |status, output: Option<String>, error: Option<String>, exit_code| {
                let response = ExecuteResponse { task_id: request.task_id.clone(), status, output, error, exit_code };
                send(&mut stream, MessageType::ExecuteResponse, request_id, &response);
            };
            match request.command.as_str() {
                "echo" => answer(ExecutionStatus::Completed, Some(request.args.join(" ")), None, Some(0)),
                "stream" => {
                    answer(ExecutionStatus::Started, None, None, None);
                    for arg in &request.args { answer(ExecutionStatus::Running, Some(arg.clone()), None, None) }
                    answer(ExecutionStatus::Completed, None, None, Some(0));
                }
                "env" => {
                    let mut pairs: Vec<_> = request.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    pairs.sort();
                    answer(ExecutionStatus::Completed, Some(pairs.join("\n")), None, Some(0));
                }
                "fail" => answer(ExecutionStatus::Failed, None, Some(request.args.join(" ")), Some(-3)),
                "beats" => answer(ExecutionStatus::Completed, Some(format!("{sent} {returned}")), None, None),
                other => answer(ExecutionStatus::Failed, None, Some(format!("unknown command {other}")), Some(127)),
            }
        }
    }
}
