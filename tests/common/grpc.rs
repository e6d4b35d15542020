//! A gRPC server of calls with one message each way.

use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What a call is answered with.
pub enum Reply {
    /// A message.
    Message(Vec<u8>),
    /// A status of gRPC, other than that of success.
    Status(u32, String),
    /// The stream is cut.
    Reset,
    /// Nothing, ever.
    Silence,
}

impl Reply {
    pub fn message(message: &impl Message) -> Reply {
        Reply::Message(message.encode_to_vec())
    }
}

/// Serves the calls of one service until `ended` fires, which ends all connections, too.
pub async fn serve<F>(
    listener: TcpListener,
    service: &'static str,
    ended: CancellationToken,
    answer: F,
) where
    F: Fn(&str, &[u8]) -> Reply + Send + Sync + 'static,
{
    let answer = Arc::new(answer);
    let serving = async {
        while let Ok((socket, _)) = listener.accept().await {
            let serving = connection(socket, service, Arc::clone(&answer));
            tokio::spawn(ended.clone().run_until_cancelled_owned(serving));
        }
    };
    ended.run_until_cancelled(serving).await;
}

async fn connection<F>(socket: TcpStream, service: &'static str, answer: Arc<F>)
where
    F: Fn(&str, &[u8]) -> Reply + Send + Sync + 'static,
{
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 24).initial_connection_window_size(1 << 26);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let answer = Arc::clone(&answer);
        tokio::spawn(call(request, respond, service, answer));
    }
}

async fn call<F>(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    service: &str,
    answer: Arc<F>,
) where
    F: Fn(&str, &[u8]) -> Reply,
{
    let (head, mut body) = request.into_parts();
    let mut message = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        message.extend_from_slice(&chunk);
    }
    let path = head.uri.path().strip_prefix('/').and_then(|path| path.strip_prefix(service));
    let reply = match path.and_then(|path| path.strip_prefix('/')) {
        Some(call) => {
            let announced = u32::from_be_bytes(message[1..5].try_into().unwrap());
            assert_eq!((message[0], announced as usize), (0, message.len() - 5), "gRPC's prefix");
            answer(call, &message[5..])
        }
        None => Reply::Status(12, String::new()),
    };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    match reply {
        Reply::Message(bytes) => {
            let mut framed = vec![0];
            framed.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
            framed.extend(bytes);
            let Ok(mut stream) = respond.send_response(response(headers), false) else { return };
            let _ = stream.send_data(framed.into(), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let _ = stream.send_trailers(trailers);
        }
        Reply::Status(code, words) => {
            headers.insert("grpc-status", code.into());
            headers.insert("grpc-message", HeaderValue::from_str(&words).unwrap());
            let _ = respond.send_response(response(headers), true);
        }
        Reply::Reset => respond.send_reset(Reason::INTERNAL_ERROR),
        Reply::Silence => std::future::pending::<()>().await,
    }
}

fn response(headers: HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.headers_mut() = headers;
    response
}
