#include <gmock/gmock.h>

#include "wire/client.h"
#include "wire/server.h"
#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class TlsServer : public testing::Test {
 protected:
  void serve(Limits limits = {}) {
    auto made = Server::listen_tls(loop, on_loopback(limits), tls, [this](Request request, Respond respond) {
      peers.put(request.peer);
      respond({.status = 200, .headers = {}, .body = "hello"});
    });
    ASSERT_TRUE(made) << made.error().message();
    server = *std::move(made);
  }

  KeyPair ca = make_certificate("ca", {});
  KeyPair leaf = make_certificate("first", {"localhost", "127.0.0.1"}, &ca);
  TlsServerSettings tls{.certificate_pem = leaf.certificate_pem,
                        .key_pem = leaf.key_pem,
                        .client_ca_pem = {},
                        .require_client_certificate = false,
                        .min_version = TlsVersion::Tls12,
                        .cipher_suites = {}};
  Box<Peer> peers;
  EventLoop loop{2};
  std::unique_ptr<Server> server;
};

TEST_F(TlsServer, SpeaksWhatTheClientPrefersAmongWhatBothKnow) {
  serve();
  for (const auto& [offer, chosen] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"h2"}, "h2"}, {{"http/1.1", "h2"}, "h2"}, {{"http/1.1"}, "http/1.1"}, {{}, ""}}) {
    RawPeer peer(server->port());
    ASSERT_TRUE(peer.start_tls(offer));
    EXPECT_EQ(peer.chosen_alpn(), chosen);
  }
  RawPeer stranger(server->port());
  EXPECT_FALSE(stranger.start_tls({"spdy/1"}));
}

TEST_F(TlsServer, SpeaksHttp1WhenTheClientOffersNothing) {
  serve();
  RawPeer peer(server->port());
  ASSERT_TRUE(peer.start_tls({}));
  peer.send(get("/", "Connection: close\r\n"));
  EXPECT_THAT(peer.read_all(), EndsWith("hello"));
  EXPECT_TRUE(peers.take().is_tls);
}

TEST_F(TlsServer, SpeaksTls12ButNothingOlder) {
  serve();
  RawPeer tls12(server->port()), tls11(server->port());
  EXPECT_TRUE(tls12.start_tls({"http/1.1"}, nullptr, TLS1_2_VERSION));
  EXPECT_FALSE(tls11.start_tls({"http/1.1"}, nullptr, TLS1_1_VERSION));
}

TEST_F(TlsServer, MayInsistOnTls13) {
  tls.min_version = TlsVersion::Tls13;
  serve();
  RawPeer tls12(server->port()), tls13(server->port());
  EXPECT_FALSE(tls12.start_tls({}, nullptr, TLS1_2_VERSION));
  EXPECT_TRUE(tls13.start_tls({}));
}

TEST_F(TlsServer, AcceptsCipherSuitesByBothOfTheirNames) {
  tls.cipher_suites = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,ECDHE-RSA-AES256-GCM-SHA384:TLS_AES_128_GCM_SHA256";
  serve();
  RawPeer peer(server->port());
  EXPECT_TRUE(peer.start_tls({}, nullptr, TLS1_2_VERSION));
  tls.cipher_suites = "NO_SUCH_CIPHER";
  EXPECT_FALSE(server->replace_tls(tls));
}

TEST_F(TlsServer, ShowsTheClientsCertificateToHandlers) {
  KeyPair client = make_certificate("client", {}, &ca);
  tls.client_ca_pem = ca.certificate_pem;
  serve();
  RawPeer with(server->port()), without(server->port());
  ASSERT_TRUE(with.start_tls({}, &client));
  with.send(get("/"));
  EXPECT_EQ(peers.take().client_certificate_pem, client.certificate_pem);
  ASSERT_TRUE(without.start_tls({}));
  without.send(get("/"));
  EXPECT_EQ(peers.take().client_certificate_pem, "");
}

TEST_F(TlsServer, RefusesClientsWithoutARequiredCertificateOrWithAForeignOne) {
  KeyPair other_ca = make_certificate("ca", {});
  KeyPair foreign = make_certificate("client", {}, &other_ca), client = make_certificate("client", {}, &ca);
  tls.client_ca_pem = ca.certificate_pem;
  tls.require_client_certificate = true;
  serve();
  for (const KeyPair* shown : {static_cast<const KeyPair*>(nullptr), static_cast<const KeyPair*>(&foreign)}) {
    RawPeer peer(server->port());
    if (peer.start_tls({}, shown)) peer.send(get("/"));  // in TLS 1.3 the client learns it afterwards
    EXPECT_EQ(peer.read_all(), "");
  }
  RawPeer peer(server->port());
  ASSERT_TRUE(peer.start_tls({}, &client));
  peer.send(get("/", "Connection: close\r\n"));
  EXPECT_THAT(peer.read_all(), EndsWith("hello"));
}

TEST_F(TlsServer, GivesNewConnectionsTheNewCertificateAndLeavesOldOnesAlone) {
  serve();
  RawPeer before(server->port());
  ASSERT_TRUE(before.start_tls({}));
  KeyPair renewed = make_certificate("second", {"localhost"}, &ca);
  tls.certificate_pem = renewed.certificate_pem;
  tls.key_pem = renewed.key_pem;
  ASSERT_TRUE(server->replace_tls(tls));
  RawPeer after(server->port());
  ASSERT_TRUE(after.start_tls({}));
  EXPECT_EQ(before.server_common_name(), "first");
  EXPECT_EQ(after.server_common_name(), "second");
  before.send(get("/", "Connection: close\r\n"));
  EXPECT_THAT(before.read_all(), EndsWith("hello"));
}

TEST_F(TlsServer, KeepsTheOldCertificateWhenTheNewOneIsUnusable) {
  serve();
  TlsServerSettings mixed = tls;
  mixed.key_pem = ca.key_pem;
  auto refused = server->replace_tls(mixed);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), StartsWith("key: does not belong to the certificate"));
  RawPeer peer(server->port());
  EXPECT_TRUE(peer.start_tls({}));
}

TEST_F(TlsServer, SaysWhatIsWrongWithItsFiles) {
  for (auto [certificate, key] : std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                                                  {"garbage", leaf.key_pem},
                                                                                  {leaf.certificate_pem, "garbage"},
                                                                                  {leaf.certificate_pem, ca.key_pem}}) {
    tls.certificate_pem = certificate;
    tls.key_pem = key;
    EXPECT_FALSE(Server::listen_tls(loop, on_loopback(), tls, [](Request, Respond) {}));
  }
}

TEST_F(TlsServer, TellsClientsOfPlainHttpWhatThisPortSpeaks) {
  serve();
  RawPeer peer(server->port());
  peer.send(get("/"));
  std::string answer = peer.read_all();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer, HasSubstr("speaks TLS"));
}

TEST_F(TlsServer, ClosesOnGarbage) {
  serve();
  RawPeer garbage(server->port()), cut(server->port());
  garbage.send(std::string(1000, '\xff'));
  garbage.read_all();  // ends
  cut.send("\x16\x03\x01");
  cut.close();
  RawPeer good(server->port());
  EXPECT_TRUE(good.start_tls({}));
}

TEST_F(TlsServer, EndsHandshakesThatTakeTooLong) {
  serve({.handshake_timeout = 50ms});
  RawPeer peer(server->port());
  peer.send("\x16\x03\x01");
  EXPECT_EQ(peer.read_all(), "");
}

TEST_F(TlsServer, ServesRealClientsBesideAThousandHalfOpenOnes) {
  serve({.max_handshaking = 100, .handshake_timeout = 1s});
  std::vector<std::unique_ptr<RawPeer>> silent;
  for (int i = 0; i < 300; ++i) silent.push_back(std::make_unique<RawPeer>(server->port()));
  RawPeer peer(server->port());
  ASSERT_TRUE(peer.start_tls({}));
  peer.send(get("/", "Connection: close\r\n"));
  EXPECT_THAT(peer.read_all(), EndsWith("hello"));
}

TEST_F(TlsServer, SendsLargeAnswersWhole) {
  std::string large(20'000'000, 'x');
  auto made = Server::listen_tls(loop, on_loopback(), tls, [&](Request, Respond respond) {
    respond({.status = 200, .headers = {}, .body = large});
  });
  ASSERT_TRUE(made);
  ClientRequest request;
  request.url = "https://127.0.0.1:" + std::to_string((*made)->port());
  request.tls.ca_pem = ca.certificate_pem;
  request.timeout = 60s;
  auto answer = fetch_and_wait(request);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_TRUE(answer->body == large);
}

}  // namespace
}  // namespace mesh::wire
