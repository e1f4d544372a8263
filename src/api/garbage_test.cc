#include <random>

#include "api/test_api.h"

namespace mesh {
namespace {

// Requests out of pieces that mean something, in senseless order. Whatever comes, there is an answer, it is not our own
// fault (500), and nobody who is not known gets to see a secret.
class Garbage : public ApiTest {
 protected:
  Garbage() {
    put_mesh("default");
    put_dataplane("default", "web-1", "web");
    put_secret("default", "key", "never-to-be-seen");
  }

  std::string pick(std::initializer_list<const char*> from) {
    return std::string(std::data(from)[random_() % from.size()]);
  }
  std::string some(int most, std::initializer_list<const char*> from) {
    std::string out;
    for (auto left = random_() % static_cast<unsigned>(most + 1); left > 0; --left) out += pick(from);
    return out;
  }

  std::minstd_rand random_{1};
};

TEST_F(Garbage, IsAnswered) {
  for (int i = 0; i < 3'000; ++i) {
    const std::string method = pick({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "", "get", "G\x01T"});
    std::string target = some(6, {"/meshes",
                                  "/default",
                                  "/dataplanes",
                                  "/web-1",
                                  "/secrets",
                                  "/key",
                                  "/_overview",
                                  "/_config",
                                  "/tokens",
                                  "/user",
                                  "/",
                                  "//",
                                  "/..",
                                  "/\xff",
                                  "/%00",
                                  "/{name}",
                                  "/_kri",
                                  "/kri_dp_default___web-1_",
                                  "/mesh-insights",
                                  "/a b"});
    const std::string query =
        some(3, {"size=1", "&", "size=-9", "offset=18446744073709551616", "=", "filter[labels.", "]", "x=1",
                 "filter[=", "tag=:", "gateway=TRUE", "name=\xff", "format=", "type=,,"});
    if (!query.empty()) target += "?" + query;
    std::string body = some(8, {"{",           "}",
                                "[",           "]",
                                "\"type\":",   "\"Dataplane\"",
                                "\"mesh\":",   "\"name\":",
                                "\"default\"", "\"web-1\"",
                                ",",           "1e999",
                                "-0",          "\"\\u0000\"",
                                "\"\\ud800\"", "null",
                                "\xf0\x28",    "\"networking\":",
                                "\"data\":",   "\"validFor\":"});
    auto request = this->request(method, target, body, As::Anonymous);
    if (random_() % 3 == 0) request.headers.add("host", pick({"localhost", "[", "a:b:c", "", "@"}));
    if (random_() % 3 == 0)
      request.headers.add("authorization", pick({"Bearer ", "Bearer a.b.c", "Basic x", "Bearer \xff"}));
    if (random_() % 3 == 0) request.headers.add("origin", pick({"null", "http://", "http://[::1", "https://a:99999"}));
    request.peer.is_loopback = random_() % 4 == 0;
    const auto response = send(request);
    EXPECT_GE(response.status, 200) << method << " " << target;
    EXPECT_LT(response.status, 500) << method << " " << target << " " << body << "\n" << response.body;
    EXPECT_THAT(response.body, testing::Not(testing::HasSubstr("bmV2ZXItdG8tYmUtc2Vlbg")));
  }
}

}  // namespace
}  // namespace mesh
