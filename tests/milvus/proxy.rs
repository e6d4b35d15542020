//! A gRPC proxy before a real server, which fails inserts as it is told: what no server does on
//! demand.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use vecpipe::milvus::v2::proto::common::Status;
use vecpipe::milvus::v2::proto::milvus::{GetVersionResponse, InsertRequest, MutationResult};
use vecpipe::milvus::v2::proto::schema::field_data::Field;
use vecpipe::milvus::v2::proto::schema::vector_field::Data as Vectors;

/// What becomes of one insert or upsert.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It goes through.
    None,
    /// The server carries it out, but the answer is lost.
    LoseAnswer,
    /// It never arrives, and the client can't know that.
    LoseRequest,
    /// It is never answered.
    Silence,
    /// It never arrives, and the client is told that it was carried out.
    Swallow,
    /// A bit of the first row's vector is another one when it arrives.
    FlipBit,
    /// The server's own limit on messages.
    LargerThanMax,
    /// The server's rate limit.
    RateLimit,
    /// A refusal that is final.
    Refuse,
    /// The server answers with this code, older code and reason.
    Status(i32, i32, &'static str),
    /// gRPC answers with this code and words.
    Grpc(&'static str, &'static str),
}

/// The proxy's address and what it has seen.
pub struct Proxy {
    pub uri: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    faults: Mutex<VecDeque<Fault>>,
    /// Messages larger than this are refused.
    max_message: Mutex<Option<usize>>,
    calls: Mutex<Vec<(String, usize)>>,
    /// What the server says of itself, where it is not the truth.
    version: Mutex<Option<String>>,
    /// The most inserts at once, beyond which they are refused, and how many come before that.
    most: Mutex<Option<(usize, usize)>>,
    inside: AtomicUsize,
    /// How many there were when each came, and whether the first ones have come.
    crowd: Mutex<Vec<usize>>,
    crowded: watch::Sender<bool>,
    /// Calls by name, and which of the next ones are refused.
    refused: Mutex<HashMap<String, VecDeque<bool>>>,
}

impl Proxy {
    /// A proxy before `upstream` (`http://host:port`); the first inserts meet `faults`, in turn.
    pub async fn start(upstream: &str, faults: &[Fault]) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        seen.faults.lock().unwrap().extend(faults);
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, upstream.clone(), Arc::clone(&shared)));
            }
        });
        Proxy { uri, seen }
    }

    /// Refuses messages larger than `bytes` from now on.
    pub fn limit(&self, bytes: usize) {
        *self.seen.max_message.lock().unwrap() = Some(bytes);
    }

    /// Answers with a rate limit to all inserts beyond `most` at once from now on, but to none before
    /// `first` have come.
    pub fn take_at_once(&self, most: usize, first: usize) {
        *self.seen.most.lock().unwrap() = Some((most, first));
    }

    /// How many inserts there were at once, itself included, when each came.
    pub fn crowd(&self) -> Vec<usize> {
        self.seen.crowd.lock().unwrap().clone()
    }

    /// Says that the server is of this version.
    pub fn pose_as(&self, version: &str) {
        *self.seen.version.lock().unwrap() = Some(version.to_owned());
    }

    /// Says which of the next calls of this name are refused; later ones go through.
    pub fn refuse(&self, call: &str, next: &[bool]) {
        let next = next.iter().copied().collect();
        self.seen.refused.lock().unwrap().insert(call.to_owned(), next);
    }

    /// Names of the inserts and upserts that came, with their sizes.
    pub fn calls(&self) -> Vec<(String, usize)> {
        self.seen.calls.lock().unwrap().clone()
    }
}

async fn serve(socket: TcpStream, upstream: String, seen: Arc<Seen>) {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 24).initial_connection_window_size(1 << 26);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(handle(request, respond, upstream.clone(), Arc::clone(&seen)));
    }
}

async fn handle(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    upstream: String,
    seen: Arc<Seen>,
) {
    let (head, body) = request.into_parts();
    let (body, _) = collect(body).await;
    let call = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let version = seen.version.lock().unwrap().clone().filter(|_| call == "GetVersion");
    if let Some(version) = version {
        let status = Some(Status::default());
        return answer(respond, &GetVersionResponse { status, version });
    }
    let refused = seen.refused.lock().unwrap().get_mut(&call).and_then(VecDeque::pop_front);
    if refused == Some(true) {
        let reason = "not today".to_owned();
        return answer(
            respond,
            &Status { code: 65535, error_code: 1, reason, ..Status::default() },
        );
    }
    if matches!(call.as_str(), "Insert" | "Upsert") {
        seen.calls.lock().unwrap().push((call, body.len() - 5));
        let limit = seen.max_message.lock().unwrap().unwrap_or(usize::MAX);
        let mut fault = match body.len() > limit {
            true => Fault::LargerThanMax,
            false => seen.faults.lock().unwrap().pop_front().unwrap_or(Fault::None),
        };
        let inside = Inside::enter(&seen);
        let most = *seen.most.lock().unwrap();
        if let Some((most, first)) = most {
            if inside.number >= first {
                seen.crowded.send_replace(true);
            }
            drop(seen.crowded.subscribe().wait_for(|crowded| *crowded).await);
            if inside.number > most {
                fault = Fault::RateLimit;
            }
        }
        let request = Request::from_parts(head, ());
        return carry_out(fault, request, body, respond, &upstream).await;
    }
    carry_out(Fault::None, Request::from_parts(head, ()), body, respond, &upstream).await;
}

/// An insert on its way through the proxy.
struct Inside<'a> {
    seen: &'a Seen,
    number: usize,
}

impl<'a> Inside<'a> {
    fn enter(seen: &'a Seen) -> Inside<'a> {
        let number = seen.inside.fetch_add(1, Ordering::SeqCst) + 1;
        seen.crowd.lock().unwrap().push(number);
        Inside { seen, number }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.seen.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn carry_out(
    fault: Fault,
    request: Request<()>,
    body: Bytes,
    mut respond: SendResponse<Bytes>,
    upstream: &str,
) {
    match fault {
        Fault::None => {
            let (headers, answer, trailers) = forward(upstream, request, body).await;
            reply(respond, headers, answer, trailers);
        }
        Fault::FlipBit => {
            let (headers, answer, trailers) = forward(upstream, request, flipped(&body)).await;
            reply(respond, headers, answer, trailers);
        }
        Fault::LoseAnswer => {
            forward(upstream, request, body).await;
            respond.send_reset(Reason::INTERNAL_ERROR);
        }
        Fault::LoseRequest => respond.send_reset(Reason::INTERNAL_ERROR),
        Fault::Silence => std::future::pending::<()>().await,
        Fault::Swallow => {
            let rows = InsertRequest::decode(body.slice(5..)).unwrap().num_rows;
            let status = Some(Status::default());
            let insert_cnt = i64::from(rows);
            answer(respond, &MutationResult { status, insert_cnt, ..MutationResult::default() });
        }
        Fault::LargerThanMax => {
            let words = format!("grpc: received message larger than max ({} vs. 1)", body.len());
            refuse(respond, "8", &words);
        }
        Fault::Grpc(code, words) => refuse(respond, code, words),
        Fault::RateLimit | Fault::Refuse | Fault::Status(..) => {
            let (code, error_code, reason) = match fault {
                Fault::RateLimit => (8, 49, "request is rejected by grpc RateLimiter middleware"),
                Fault::Status(code, error_code, reason) => (code, error_code, reason),
                _ => (1100, 5, "invalid parameter"),
            };
            let reason = reason.to_owned();
            let status = Status { code, error_code, reason, ..Status::default() };
            answer(respond, &MutationResult { status: Some(status), ..MutationResult::default() });
        }
    }
}

/// An insert's message with the lowest bit of its first vector's first number flipped.
fn flipped(body: &Bytes) -> Bytes {
    let mut insert = InsertRequest::decode(body.slice(5..)).unwrap();
    for field in &mut insert.fields_data {
        if let Some(Field::Vectors(vectors)) = &mut field.field
            && let Some(Vectors::FloatVector(floats)) = &mut vectors.data
        {
            let mut bytes = floats.data.to_vec();
            bytes[0] ^= 1;
            floats.data = bytes.into();
        }
    }
    framed(&insert)
}

/// Answers with a status of gRPC.
fn refuse(respond: SendResponse<Bytes>, code: &'static str, words: &str) {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from_static(code));
    headers.insert("grpc-message", HeaderValue::from_str(words).unwrap());
    reply(respond, headers, Bytes::new(), None);
}

/// Answers in the server's place.
fn answer(respond: SendResponse<Bytes>, answer: &impl Message) {
    let bytes = framed(answer);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    reply(respond, HeaderMap::new(), bytes, Some(trailers));
}

/// A message as gRPC sends it.
fn framed(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes.into()
}

async fn collect(mut body: RecvStream) -> (Bytes, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        all.extend_from_slice(&chunk);
    }
    (all.into(), body.trailers().await.ok().flatten())
}

async fn forward(
    upstream: &str,
    request: Request<()>,
    body: Bytes,
) -> (HeaderMap, Bytes, Option<HeaderMap>) {
    let socket = TcpStream::connect(upstream).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (response, mut stream) = client.send_request(request, false).unwrap();
    stream.send_data(body, true).unwrap();
    let (head, body) = response.await.unwrap().into_parts();
    let (answer, trailers) = collect(body).await;
    (head.headers, answer, trailers)
}

fn reply(
    mut respond: SendResponse<Bytes>,
    headers: HeaderMap,
    answer: Bytes,
    trailers: Option<HeaderMap>,
) {
    let mut response = Response::new(());
    *response.headers_mut() = headers;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let bare = answer.is_empty() && trailers.is_none();
    let Ok(mut stream) = respond.send_response(response, bare) else { return };
    if bare {
        return;
    }
    let _ = stream.send_data(answer, trailers.is_none());
    if let Some(trailers) = trailers {
        let _ = stream.send_trailers(trailers);
    }
}
