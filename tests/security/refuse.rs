//! A gRPC server that refuses whoever comes, as a Milvus does that knows better.

use std::net::TcpListener;

/// Listens until the test ends; gives its address.
pub fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(listener));
    });
    uri
}

async fn serve(listener: TcpListener) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(async {
            let Ok(mut connection) = h2::server::handshake(socket).await else { return };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                assert!(request.headers().contains_key("authorization"), "no credentials came");
                let response = http::Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", "16")
                    .header("grpc-message", "auth check failure, please check username")
                    .body(())
                    .unwrap();
                let _ = respond.send_response(response, true);
            }
        });
    }
}
