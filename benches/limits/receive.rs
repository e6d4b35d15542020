//! A server that only receives.

use std::io::Read;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::answers::Held;
use crate::arguments::Arguments;
use crate::call::{framed, on_one_thread};
use crate::skim::{Skimmed, skim};

/// Largest message of a call that is kept to be read.
const SMALL: usize = 1 << 20;

/// `receive frame=BYTES`: a server on a free port of loopback that speaks as much of Milvus's protocol as
/// a copy without an index takes. Rows are counted and forgotten; of their requests nothing is decoded. It
/// takes frames of so many bytes, prints its address, and serves until its input ends.
pub fn receive(arguments: &Arguments) {
    let frame = arguments.get("frame");
    on_one_thread(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        println!("{}", json!({"uri": uri}));
        let held = Arc::new(Mutex::new(Held::default()));
        let serving = async {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(connection(socket, frame, Arc::clone(&held)));
            }
        };
        let mut nothing = Vec::new();
        let ended = tokio::task::spawn_blocking(move || std::io::stdin().read_to_end(&mut nothing));
        tokio::select! { () = serving => {}, _ = ended => {} }
    });
}

async fn connection(socket: TcpStream, frame: u32, held: Arc<Mutex<Held>>) {
    socket.set_nodelay(true).unwrap();
    let mut builder = Builder::new();
    builder
        .initial_window_size(64 << 20)
        .initial_connection_window_size(1 << 30)
        .max_frame_size(frame);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(call(request, respond, Arc::clone(&held)));
    }
}

async fn call(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    held: Arc<Mutex<Held>>,
) {
    let (head, mut body) = request.into_parts();
    let name = head.uri.path().rsplit('/').next().unwrap_or_default();
    let answer = match name {
        "Bytes" => drain(&mut body, |_| {}).await.map(|()| Some(Vec::new())),
        "Insert" | "Upsert" => {
            let mut skimmed = Skimmed::default();
            let read = drain(&mut body, |chunk| skim(&mut skimmed, chunk)).await;
            read.map(|()| Some(held.lock().unwrap().take(name, &skimmed)))
        }
        _ => {
            let mut message = Vec::new();
            let read = drain(&mut body, |chunk| message.extend_from_slice(chunk)).await;
            assert!(message.len() < SMALL, "{name} is small");
            read.map(|()| held.lock().unwrap().answer(name, &message[5..]))
        }
    };
    // A client that is gone hears nothing.
    let Some(answer) = answer else { return };
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    let Some(answer) = answer else {
        // No such call.
        headers.insert("grpc-status", HeaderValue::from_static("12"));
        let _ = respond.send_response(response, true);
        return;
    };
    let Ok(mut stream) = respond.send_response(response, false) else { return };
    let _ = stream.send_data(framed(&answer), false);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let _ = stream.send_trailers(trailers);
}

/// Reads a body to its end; none where it breaks off.
async fn drain(body: &mut RecvStream, mut see: impl FnMut(&Bytes)) -> Option<()> {
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        see(&chunk);
    }
    Some(())
}
