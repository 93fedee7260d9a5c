use super::*;

/// For what happens at once on an idle machine.
const LIMIT: Duration = Duration::from_secs(20);

/// A proxy before an echo, and a connection through it.
async fn echo() -> (Proxy, TcpStream, JoinSet<()>) {
    let real = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let real_addr = real.local_addr().unwrap().to_string();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let told = free.local_addr().unwrap().to_string();
    drop(free);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = real.accept().await {
            let (mut read, mut write) = stream.split();
            drop(tokio::io::copy(&mut read, &mut write).await);
        }
    });
    let proxy = Proxy::open(&[(told.clone(), real_addr)], &[])
        .await
        .unwrap();
    (proxy, TcpStream::connect(told).await.unwrap(), tasks)
}

async fn said(stream: &mut TcpStream, words: &[u8]) -> Vec<u8> {
    stream.write_all(words).await.unwrap();
    let mut heard = vec![0; words.len()];
    let hearing = stream.read_exact(&mut heard);
    tokio::time::timeout(LIMIT, hearing).await.unwrap().unwrap();
    heard
}

#[tokio::test]
async fn an_open_gate_passes_everything_and_has_felt_nothing() {
    let (proxy, mut stream, _tasks) = echo().await;
    let many = vec![7; 3 * CHUNK_BYTES];
    assert_eq!(said(&mut stream, &many).await, many);
    assert_eq!(proxy.clients.felt(), 0);
}

#[tokio::test]
async fn a_shut_gate_holds_what_comes_and_gives_it_out_when_it_opens() {
    let (proxy, mut stream, _tasks) = echo().await;
    proxy.clients.set(Rule::Shut);
    stream.write_all(b"held").await.unwrap();
    let mut heard = [0; 4];
    let early = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut heard)).await;
    assert!(early.is_err(), "nothing passes a shut gate");
    assert!(proxy.clients.felt() > 0);
    proxy.clients.set(Rule::Open);
    let hearing = stream.read_exact(&mut heard);
    tokio::time::timeout(LIMIT, hearing).await.unwrap().unwrap();
    assert_eq!(&heard, b"held");
}

#[tokio::test]
async fn a_slow_gate_is_late_in_both_directions() {
    let (proxy, mut stream, _tasks) = echo().await;
    let delay = Duration::from_millis(60);
    proxy.clients.set(Rule::Late(delay));
    let begun = Instant::now();
    assert_eq!(said(&mut stream, b"late").await, b"late");
    assert!(begun.elapsed() >= 2 * delay);
}

#[tokio::test]
async fn a_reset_ends_the_connections_there_are_and_no_later_one() {
    let (proxy, mut stream, _tasks) = echo().await;
    let told = stream.peer_addr().unwrap();
    assert_eq!(said(&mut stream, b"one").await, b"one");
    proxy.clients.reset();
    let mut byte = [0];
    let ended = tokio::time::timeout(LIMIT, stream.read(&mut byte)).await;
    let error = ended.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(proxy.clients.felt(), 1);
    let mut again = TcpStream::connect(told).await.unwrap();
    assert_eq!(said(&mut again, b"two").await, b"two");
}
