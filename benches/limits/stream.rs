//! Bytes over a bare HTTP/2 stream.

use bytes::Bytes;

use crate::arguments::Arguments;
use crate::call::{Wire, on_one_thread, put};
use crate::clock::{Clock, Measured};

/// `stream uri=URI bytes=N message=BYTES [streams=1]`: N bytes to `receive`, as messages of that size, one
/// stream a message as requests are, so many at once. Their memory was filled before; each is another.
pub fn stream(arguments: &Arguments) -> Measured {
    let uri: String = arguments.get("uri");
    let (bytes, message): (usize, usize) = (arguments.get("bytes"), arguments.get("message"));
    let streams: usize = arguments.get_or("streams", 1);
    // As much memory as a pipeline takes turns with, so that messages do not stay in the processor's cache.
    let kept = (64_usize << 20).div_ceil(message).max(2);
    let messages: Vec<_> = (0..kept).map(|n| Bytes::from(vec![n as u8 | 1; message])).collect();
    let count = bytes.div_ceil(message);
    on_one_thread(async {
        let wire = Wire::connect(&uri).await;
        let clock = Clock::start();
        let sent = (0..streams).map(|first| {
            let (wire, messages) = (&wire, &messages);
            async move {
                let mut sent = 0;
                for n in (first..count).step_by(streams) {
                    let (response, mut stream) = wire.open("/limits/Bytes").await;
                    let len = message.min(bytes - n * message);
                    put(&mut stream, messages[n % kept].slice(..len), true).await;
                    response.await.unwrap();
                    sent += len as u64;
                }
                sent
            }
        });
        let sent: u64 = futures::future::join_all(sent).await.into_iter().sum();
        assert_eq!(sent, bytes as u64);
        clock.stop(0, sent)
    })
}
