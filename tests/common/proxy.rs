//! A gRPC proxy before a real server, which fails calls as it is told: what no server does on demand.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it")]

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vecpipe::milvus::v2::proto::common::Status;
use vecpipe::milvus::v2::proto::milvus::{GetVersionResponse, InsertRequest, MutationResult};
use vecpipe::milvus::v2::proto::schema::field_data::Field;
use vecpipe::milvus::v2::proto::schema::vector_field::Data as Vectors;

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It goes through.
    None,
    /// It goes through, after a while; not where the client gave up on it.
    Delay(Duration),
    /// The proxy holds it for this long and then carries it out, whatever became of the client: as a
    /// gateway that does not pass cancellation on.
    Late(Duration),
    /// The server carries it out, but the answer is lost.
    LoseAnswer,
    /// It never arrives, and the client can't know that.
    LoseRequest,
    /// The connection is cut before it arrives, with all calls that are under way on it.
    CutBefore,
    /// The connection is cut after the server carried it out.
    CutAfter,
    /// It is never answered.
    Silence,
    /// The server carries it out, and never answers.
    SilenceAfter,
    /// It never arrives, and the client is told that it was carried out. An insert only.
    Swallow,
    /// It never arrives, and the client is told that all rows but one were taken. An insert only.
    TakeFewer,
    /// It never arrives, and the client is told that all rows were taken and the first is in error. An
    /// insert only.
    ErrIndex,
    /// A bit of the first row's vector is another one when it arrives. An insert only.
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
    Grpc(u32, &'static str),
    /// gRPC says that the server is not there.
    Unavailable,
    /// gRPC says that the server has too much to do.
    Exhausted,
    /// What [`Proxy::on_act`] was given is done, and the call never arrives.
    ActBefore,
    /// The same is done after the server carried the call out.
    ActAfter,
    /// The same is done after the server carried the call out, and the connection is cut.
    ActCut,
    /// The same is done, and the call is never answered.
    ActSilence,
}

/// Says what becomes of the next call of this name.
pub type Script = Box<dyn FnMut(&str) -> Fault + Send>;

/// The proxy's address and what it has seen.
pub struct Proxy {
    pub uri: String,
    seen: Arc<Seen>,
}

struct Seen {
    script: Mutex<Script>,
    /// What is done at a call where the script says so.
    act: Mutex<Box<dyn Fn() + Send>>,
    /// Messages larger than this are refused.
    max_message: Mutex<Option<usize>>,
    calls: Mutex<Vec<Call>>,
    /// What the server says of itself, where it is not the truth.
    version: Mutex<Option<String>>,
    /// Calls by name, and which of the next ones are refused.
    refused: Mutex<HashMap<String, VecDeque<bool>>>,
    /// Calls that the server is at work on.
    forwarded: watch::Sender<usize>,
    /// Late calls that were not carried out yet.
    held: watch::Sender<usize>,
    /// The longest that a late call took from its coming to its end.
    longest_held: Mutex<Duration>,
    /// The most inserts at once, beyond which they are refused, and how many come before that.
    most: Mutex<Option<(usize, usize)>>,
    inside: AtomicUsize,
    /// How many inserts there were at once when each came, and whether the first ones have come.
    crowd: Mutex<Vec<usize>>,
    crowded: watch::Sender<bool>,
}

/// A call that came.
#[derive(Debug, Clone)]
pub struct Call {
    pub name: String,
    /// Bytes of its message.
    pub bytes: usize,
    pub fault: Fault,
    /// Inserts and upserts that were under way when it came.
    pub beside: usize,
}

impl Proxy {
    /// A proxy before `upstream` (`http://host:port`); the first inserts meet `faults`, in turn.
    pub async fn start(upstream: &str, faults: &[Fault]) -> Proxy {
        let mut faults: VecDeque<_> = faults.iter().copied().collect();
        let script = move |call: &str| match call {
            "Insert" | "Upsert" => faults.pop_front().unwrap_or(Fault::None),
            _ => Fault::None,
        };
        Proxy::scripted(upstream, Box::new(script)).await
    }

    /// A proxy before `upstream`; `script` is asked about each call.
    pub async fn scripted(upstream: &str, script: Script) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen {
            script: Mutex::new(script),
            act: Mutex::new(Box::new(|| panic!("nobody said what to do"))),
            max_message: Mutex::default(),
            calls: Mutex::default(),
            version: Mutex::default(),
            refused: Mutex::default(),
            forwarded: watch::Sender::default(),
            held: watch::Sender::default(),
            longest_held: Mutex::default(),
            most: Mutex::default(),
            inside: AtomicUsize::default(),
            crowd: Mutex::default(),
            crowded: watch::Sender::default(),
        });
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, upstream.clone(), Arc::clone(&shared)));
            }
        });
        Proxy { uri, seen }
    }

    /// What is done where the script says so: the client is ended, say. May block.
    pub fn on_act(&self, act: impl Fn() + Send + 'static) {
        *self.seen.act.lock().unwrap() = Box::new(act);
    }

    /// Lets all calls through from now on.
    pub fn calm(&self) {
        *self.seen.script.lock().unwrap() = Box::new(|_| Fault::None);
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
        let calls = self.all_calls().into_iter();
        let writes = calls.filter(|call| matches!(&*call.name, "Insert" | "Upsert"));
        writes.map(|call| (call.name, call.bytes)).collect()
    }

    /// The longest that a late call took from its coming to its end.
    pub fn longest_held(&self) -> Duration {
        *self.seen.longest_held.lock().unwrap()
    }

    /// Waits until a late call has come.
    pub async fn one_held(&self) {
        let mut held = self.seen.held.subscribe();
        let _ = held.wait_for(|calls| *calls > 0).await;
    }

    /// Waits until every late call was carried out.
    pub async fn none_held(&self) {
        let mut held = self.seen.held.subscribe();
        let _ = held.wait_for(|calls| *calls == 0).await;
    }

    /// Waits until the server has answered all that it was asked. Does not wait for late calls.
    pub async fn at_rest(&self) {
        let mut forwarded = self.seen.forwarded.subscribe();
        let _ = forwarded.wait_for(|calls| *calls == 0).await;
    }

    /// All calls that came, and what became of them.
    pub fn all_calls(&self) -> Vec<Call> {
        self.seen.calls.lock().unwrap().clone()
    }
}

impl Seen {
    /// What becomes of a call; it is noted.
    fn meet(&self, name: &str, bytes: usize) -> Fault {
        let refused = self.refused.lock().unwrap().get_mut(name).and_then(VecDeque::pop_front);
        let limit = *self.max_message.lock().unwrap();
        let limit = limit.filter(|_| matches!(name, "Insert" | "Upsert")).unwrap_or(usize::MAX);
        let fault = match refused {
            Some(true) => Fault::Refuse,
            _ if bytes + 5 > limit => Fault::LargerThanMax,
            _ => (self.script.lock().unwrap())(name),
        };
        let beside = self.inside.load(Ordering::SeqCst);
        self.calls.lock().unwrap().push(Call { name: name.to_owned(), bytes, fault, beside });
        fault
    }

    async fn forward(
        &self,
        upstream: &str,
        request: Request<()>,
        body: Bytes,
    ) -> io::Result<(HeaderMap, Bytes, Option<HeaderMap>)> {
        self.forwarded.send_modify(|calls| *calls += 1);
        let answer = forward(upstream, request, body).await;
        self.forwarded.send_modify(|calls| *calls -= 1);
        answer
    }

    fn act(&self) {
        // Others go on meanwhile.
        tokio::task::block_in_place(|| (self.act.lock().unwrap())());
    }
}

async fn serve(socket: TcpStream, upstream: String, seen: Arc<Seen>) {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 24).initial_connection_window_size(1 << 26);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    // Fires to cut the connection; what is left of its calls ends with it.
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = cut.cancelled() => return,
            accepted = connection.accept() => accepted,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let (upstream, seen, cut) = (upstream.clone(), Arc::clone(&seen), cut.clone());
        tokio::spawn(async move {
            // A server that is gone takes its connections with it.
            if handle(request, respond, &upstream, &seen, &cut).await.is_err() {
                cut.cancel();
            }
        });
    }
}

async fn handle(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    upstream: &str,
    seen: &Seen,
    cut: &CancellationToken,
) -> io::Result<()> {
    let (head, body) = request.into_parts();
    // Of a client that ended while it sent, nothing arrives.
    let Ok((body, _)) = collect(body).await else { return Ok(()) };
    let call = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let version = seen.version.lock().unwrap().clone().filter(|_| call == "GetVersion");
    if let Some(version) = version {
        let status = Some(Status::default());
        answer(respond, &GetVersionResponse { status, version });
        return Ok(());
    }
    let mut fault = seen.meet(&call, body.len() - 5);
    let writes = matches!(&*call, "Insert" | "Upsert");
    let inside = writes.then(|| Inside::enter(seen));
    if let Some(inside) = &inside
        && inside.is_too_many().await
    {
        fault = Fault::RateLimit;
    }
    let request = Request::from_parts(head, ());
    match fault {
        Fault::None | Fault::Delay(_) => {
            if let Fault::Delay(delay) = fault {
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    // Nobody wants it any more.
                    _ = std::future::poll_fn(|cx| respond.poll_reset(cx)) => return Ok(()),
                }
            }
            let (headers, answer, trailers) = seen.forward(upstream, request, body).await?;
            // Before the client can know.
            drop(inside);
            reply(respond, headers, answer, trailers);
        }
        Fault::Late(hold) => {
            // Not cancelled when the client resets the call or the connection is cut.
            let came = Instant::now();
            seen.held.send_modify(|calls| *calls += 1);
            tokio::time::sleep(hold).await;
            let answered = seen.forward(upstream, request, body).await;
            let mut longest = seen.longest_held.lock().unwrap();
            *longest = longest.max(came.elapsed());
            drop(longest);
            seen.held.send_modify(|calls| *calls -= 1);
            drop(inside);
            let (headers, answer, trailers) = answered?;
            reply(respond, headers, answer, trailers);
        }
        Fault::FlipBit => {
            let body = flipped(&body);
            let (headers, answer, trailers) = seen.forward(upstream, request, body).await?;
            reply(respond, headers, answer, trailers);
        }
        Fault::LoseAnswer => {
            seen.forward(upstream, request, body).await?;
            respond.send_reset(Reason::INTERNAL_ERROR);
        }
        Fault::LoseRequest => respond.send_reset(Reason::INTERNAL_ERROR),
        Fault::CutBefore => cut.cancel(),
        Fault::CutAfter => {
            seen.forward(upstream, request, body).await?;
            cut.cancel();
        }
        Fault::Silence => std::future::pending().await,
        Fault::SilenceAfter => {
            seen.forward(upstream, request, body).await?;
            std::future::pending().await
        }
        Fault::ActBefore => {
            seen.act();
            respond.send_reset(Reason::INTERNAL_ERROR);
        }
        Fault::ActCut => {
            seen.forward(upstream, request, body).await?;
            seen.act();
            cut.cancel();
        }
        Fault::ActSilence => {
            seen.act();
            std::future::pending().await
        }
        Fault::ActAfter => {
            let (headers, answer, trailers) = seen.forward(upstream, request, body).await?;
            seen.act();
            reply(respond, headers, answer, trailers);
        }
        Fault::Swallow | Fault::TakeFewer | Fault::ErrIndex => {
            let rows = InsertRequest::decode(body.slice(5..)).unwrap().num_rows;
            let taken = i64::from(rows) - i64::from(fault == Fault::TakeFewer);
            let (insert_cnt, upsert_cnt) = if call == "Insert" { (taken, 0) } else { (0, taken) };
            let err_index = if fault == Fault::ErrIndex { vec![0] } else { vec![] };
            let status = Some(Status::default());
            let all =
                MutationResult { status, insert_cnt, upsert_cnt, err_index, ..Default::default() };
            answer(respond, &all);
        }
        Fault::LargerThanMax => {
            let words = format!("grpc: received message larger than max ({} vs. 1)", body.len());
            fail(respond, 8, &words);
        }
        Fault::Grpc(code, words) => fail(respond, code, words),
        Fault::Status(code, error_code, reason) => {
            refuse(respond, &call, (code, error_code, reason));
        }
        Fault::Unavailable => fail(respond, 14, "the server is moving"),
        Fault::Exhausted => fail(respond, 8, "too many requests"),
        Fault::RateLimit => {
            let reason = "request is rejected by grpc RateLimiter middleware";
            refuse(respond, &call, (8, 49, reason));
        }
        Fault::Refuse => refuse(respond, &call, (1100, 5, "not today: invalid parameter")),
    }
    Ok(())
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

    /// True when it is one more than are taken at once.
    async fn is_too_many(&self) -> bool {
        let Some((most, first)) = *self.seen.most.lock().unwrap() else { return false };
        if self.number >= first {
            self.seen.crowded.send_replace(true);
        }
        drop(self.seen.crowded.subscribe().wait_for(|crowded| *crowded).await);
        self.number > most
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.seen.inside.fetch_sub(1, Ordering::SeqCst);
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

/// Answers in the server's place that it does not do this.
fn refuse(respond: SendResponse<Bytes>, call: &str, (code, error_code, reason): (i32, i32, &str)) {
    let status = Status { code, error_code, reason: reason.to_owned(), ..Status::default() };
    let bare = ["Alter", "Create", "Drop", "Load", "Release", "Rename"];
    match bare.iter().any(|verb| call.starts_with(verb)) {
        true => answer(respond, &status),
        // In every answer that is more than a status, it is the first field.
        false => answer(respond, &MutationResult { status: Some(status), ..Default::default() }),
    }
}

/// Answers with a status of gRPC.
fn fail(respond: SendResponse<Bytes>, code: u32, words: &str) {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", code.into());
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

async fn collect(mut body: RecvStream) -> Result<(Bytes, Option<HeaderMap>), h2::Error> {
    let mut all = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        let _ = body.flow_control().release_capacity(chunk.len());
        all.extend_from_slice(&chunk);
    }
    Ok((all.into(), body.trailers().await?))
}

async fn forward(
    upstream: &str,
    request: Request<()>,
    body: Bytes,
) -> io::Result<(HeaderMap, Bytes, Option<HeaderMap>)> {
    let gone = |error: h2::Error| io::Error::other(error);
    let socket = TcpStream::connect(upstream).await?;
    let (client, connection) = h2::client::handshake(socket).await.map_err(gone)?;
    tokio::spawn(connection);
    let mut client = client.ready().await.map_err(gone)?;
    let (response, mut stream) = client.send_request(request, false).map_err(gone)?;
    stream.send_data(body, true).map_err(gone)?;
    let (head, body) = response.await.map_err(gone)?.into_parts();
    let (answer, trailers) = collect(body).await.map_err(gone)?;
    Ok((head.headers, answer, trailers))
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
