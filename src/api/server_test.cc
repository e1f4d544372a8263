#include <latch>

#include "api/test_api.h"
#include "api/worker_pool.h"
#include "identity/certificates.h"
#include "wire/client.h"
#include "wire/event_loop.h"

namespace mesh {
namespace {

using testing::HasSubstr;

KeyPair certificate_for(const std::string& name) {
  CertificateRequest request;
  request.common_name = name;
  request.dns_names = {name};
  request.ip_addresses = {"127.0.0.1"};
  request.valid_for = std::chrono::hours(1);
  return *make_self_signed(request, KeyType::EcdsaP256, real_clock());
}

class Sockets : public ApiTest {
 protected:
  Sockets() {
    put_mesh("default");
    ApiListeners listeners;
    listeners.http_address = listeners.https_address = "127.0.0.1";
    listeners.http_port = listeners.https_port = 0;
    listeners.limits.max_body_bytes = 10'000;
    listeners.tls.certificate_pem = pair_.certificate_pem;
    listeners.tls.key_pem = pair_.key_pem.reveal();
    auto started =
        ApiServer::start(loop_, {store, *admission, kinds, issuer, verifier, &configs, clock}, {}, listeners);
    EXPECT_TRUE(started) << started.error().message();
    server_ = std::move(*started);
  }
  std::string http(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(server_->http_port()) + path;
  }
  std::string https(const std::string& path) const {
    return "https://127.0.0.1:" + std::to_string(server_->https_port()) + path;
  }
  static Result<wire::Response> fetch(const std::string& url, const std::string& ca = {}) {
    wire::ClientRequest request;
    request.url = url;
    request.tls.ca_pem = ca;
    return wire::fetch_and_wait(std::move(request));
  }

  const KeyPair pair_ = certificate_for("localhost");
  wire::EventLoop loop_{1};
  std::unique_ptr<ApiServer> server_;
};

TEST_F(Sockets, AnswerOverHttpAndHttps) {
  EXPECT_EQ(fetch(http("/meshes/default"))->status, 200);
  const auto secure = fetch(https("/meshes/default"), pair_.certificate_pem);
  ASSERT_TRUE(secure) << secure.error().message();
  EXPECT_EQ(secure->status, 200);
  EXPECT_THAT(fetch(https("/meshes?size=1"), pair_.certificate_pem)->body, HasSubstr("\"total\": 1"));
}

TEST_F(Sockets, KnowAProgramOnThisMachine) {
  EXPECT_THAT(fetch(http("/who-am-i"))->body, HasSubstr("mesh-system:admin"));
  wire::ClientRequest request;
  request.url = http("/who-am-i");
  request.headers.add("x-forwarded-for", "1.2.3.4");
  EXPECT_THAT(wire::fetch_and_wait(std::move(request))->body, HasSubstr("mesh-system:anonymous"));
}

TEST_F(Sockets, RefuseBodiesThatAreTooLarge) {
  wire::ClientRequest request;
  request.method = "PUT";
  request.url = http("/meshes/x");
  request.headers.add("content-type", "application/json");
  request.body = std::string(20'000, ' ');
  EXPECT_EQ(wire::fetch_and_wait(std::move(request))->status, 413);
}

TEST_F(Sockets, UnderstandEscapedFilters) {
  put_dataplane("default", "web-1", "web");
  EXPECT_THAT(fetch(http("/dataplanes?filter%5Blabels.team%5D=web"))->body, HasSubstr("\"total\": 1"));
}

TEST_F(Sockets, TakeANewCertificate) {
  const KeyPair fresh = certificate_for("localhost");
  wire::TlsServerSettings tls;
  tls.certificate_pem = fresh.certificate_pem;
  tls.key_pem = fresh.key_pem.reveal();
  ASSERT_TRUE(server_->replace_tls(tls));
  EXPECT_TRUE(fetch(https("/"), fresh.certificate_pem));
  EXPECT_FALSE(fetch(https("/"), pair_.certificate_pem));
}

TEST_F(Sockets, SayWhichPortIsTaken) {
  ApiListeners listeners;
  listeners.http_address = "127.0.0.1";
  listeners.http_port = server_->http_port();
  listeners.https = false;
  const auto second =
      ApiServer::start(loop_, {store, *admission, kinds, issuer, verifier, &configs, clock}, {}, listeners);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr(std::to_string(server_->http_port())));
}

TEST(WorkerPool, RefusesWorkBeyondItsQueue) {
  std::latch running(1), go_on(1), done(2);
  api::WorkerPool pool(1, 1);
  const auto job = [&](auto what) { return api::Job(std::move(what)); };
  api::Job first = job([&] {
    running.count_down();
    go_on.wait();
    done.count_down();
  });
  ASSERT_TRUE(pool.try_run(first));
  running.wait();
  api::Job second = job([&] { done.count_down(); });
  EXPECT_TRUE(pool.try_run(second));
  bool ran = false;
  api::Job third = job([&] { ran = true; });
  EXPECT_FALSE(pool.try_run(third));
  third();
  EXPECT_TRUE(ran) << "what was refused still belongs to the caller";
  go_on.count_down();
  done.wait();
}

}  // namespace
}  // namespace mesh
