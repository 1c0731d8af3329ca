//! `amqps://`.

use std::{sync::Arc, time::Duration};

use drover_broker::{
    Broker,
    amqp::{AmqpBroker, AmqpConfig},
};
use drover_tests::Vhost;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    spawn,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::site::{QUEUE, config, message, next, number, publish_surely, soon, topology};

/// Puts TLS before the broker; gives the port and the certificate to trust.
async fn tls_front(upstream: String) -> (u16, String) {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
            spawn(async move {
                // A client that does not trust us goes away here.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(upstream).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, certified.cert.pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amqps_works_with_a_trusted_certificate_and_with_no_other() {
    let vhost = Vhost::create().await.unwrap();
    let (credentials, place) = vhost.url().strip_prefix("amqp://").unwrap().rsplit_once('@').unwrap();
    let (upstream, name) = place.split_once('/').unwrap();
    let (port, certificate) = tls_front(upstream.to_owned()).await;
    let url = format!("amqps://{credentials}@localhost:{port}/{name}");

    let trusting = AmqpConfig { ca_pem: Some(certificate), ..config(&url) };
    let broker = AmqpBroker::connect(trusting).await.unwrap();
    broker.declare(&topology()).await.unwrap();
    publish_surely(&broker, message(1)).await;
    let mut deliveries = broker.consume(QUEUE, 1).await.unwrap();
    assert_eq!(number(&next(&mut deliveries).await), 1);
    soon(broker.close()).await;

    let distrusting = AmqpConfig { startup_timeout: Duration::from_secs(1), ..config(&url) };
    let error = soon(AmqpBroker::connect(distrusting)).await.err().unwrap().to_string();
    assert!(error.to_lowercase().contains("certificate"), "{error}");
}
