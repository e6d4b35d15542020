//! Bytes over a bare HTTP/2 stream.

use bytes::Bytes;

use crate::arguments::Arguments;
use crate::call::{Wire, on_one_thread, put};
use crate::clock::{Clock, Measured};

/// `stream uri=URI bytes=N message=BYTES`: N bytes to `receive`, as messages of that size, one stream a message as
/// requests are. Their memory was filled before.
pub fn stream(arguments: &Arguments) -> Measured {
    let uri: String = arguments.get("uri");
    let (bytes, message): (usize, usize) = (arguments.get("bytes"), arguments.get("message"));
    // As much memory as a pipeline takes turns with, so that messages do not stay in the processor's cache.
    let kept = (64_usize << 20).div_ceil(message).max(2);
    let messages: Vec<_> = (0..kept).map(|n| Bytes::from(vec![n as u8 | 1; message])).collect();
    on_one_thread(async {
        let wire = Wire::connect(&uri).await;
        let clock = Clock::start();
        for (n, start) in (0..bytes).step_by(message).enumerate() {
            let (response, mut stream) = wire.open("/limits/Bytes").await;
            let len = message.min(bytes - start);
            put(&mut stream, messages[n % kept].slice(..len), true).await;
            response.await.unwrap();
        }
        clock.stop(0, bytes as u64)
    })
}
