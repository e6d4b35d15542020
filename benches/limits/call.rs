//! Calls over bare HTTP/2: one message there, one back, nothing decoded.

use std::future::poll_fn;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Version};
use prost::Message;
use tokio::net::TcpStream;
use vecpipe::milvus::v2::rpc::{Answer, Call};

/// As much as a server may send before it is told to go on: more than one answer has.
const WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 256 << 20;

/// A connection to a server. Cloning shares it.
#[derive(Clone)]
pub struct Wire {
    requests: SendRequest<Bytes>,
    uri: String,
}

/// A message as gRPC frames it, not compressed.
pub fn framed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(5 + message.len());
    out.put_u8(0);
    out.put_u32(message.len().try_into().expect("a message of less than 4 GiB"));
    out.put_slice(message);
    out.freeze()
}

impl Wire {
    /// Connects to `http://HOST:PORT`.
    pub async fn connect(uri: &str) -> Wire {
        let host = uri.strip_prefix("http://").expect("http://HOST:PORT");
        let socket = TcpStream::connect(host).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut builder = Builder::new();
        builder.initial_window_size(WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
        let (requests, connection) = builder.handshake(socket).await.unwrap();
        tokio::spawn(connection);
        Wire { requests, uri: uri.to_owned() }
    }

    /// Opens a stream. What is sent on it goes out in frames as large as the server takes.
    pub async fn open(&self, path: &str) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!("{}{path}", self.uri))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let mut requests = self.requests.clone().ready().await.unwrap();
        requests.send_request(request, false).unwrap()
    }

    /// Sends a framed message to a call of Milvus; the framed answer.
    pub async fn send(&self, call: &str, message: Bytes) -> Bytes {
        let (response, mut stream) =
            self.open(&format!("/milvus.proto.milvus.MilvusService/{call}")).await;
        put(&mut stream, message, true).await;
        let (head, body) = response.await.unwrap().into_parts();
        let (answer, trailers) = take(body).await;
        let status = trailers.as_ref().unwrap_or(&head.headers).get("grpc-status");
        assert_eq!(status.map(|status| status.as_bytes()), Some(&b"0"[..]), "{call}: {head:?}");
        answer
    }

    /// Makes a call and looks at its status.
    pub async fn call<C: Call>(&self, request: &C) -> C::Answer {
        let answer = self.send(C::NAME, framed(&request.encode_to_vec())).await;
        let answer = C::Answer::decode(&answer[5..]).unwrap();
        let status = answer.status().unwrap();
        assert_eq!((status.code, status.error_code), (0, 0), "{}: {}", C::NAME, status.reason);
        answer
    }
}

/// Sends all of `bytes`, as fast as the other side makes room.
pub async fn put(stream: &mut SendStream<Bytes>, mut bytes: Bytes, end: bool) {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        let piece = bytes.split_to(room.min(bytes.len()));
        stream.send_data(piece, end && bytes.is_empty()).unwrap();
    }
}

/// All of an answer, and what comes behind it.
async fn take(mut body: RecvStream) -> (Bytes, Option<HeaderMap>) {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        all.extend_from_slice(&chunk);
    }
    (all.freeze(), body.trailers().await.unwrap())
}

/// Runs on one thread, which is the cheapest.
pub fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
