#include "api/authentication.h"

#include <gtest/gtest.h>

namespace mesh::api {
namespace {

struct Case {
  const char* what;
  bool from_loopback;
  const char* host;
  std::vector<std::pair<std::string, std::string>> headers;
  bool is_direct;
};

class DirectLoopback : public testing::TestWithParam<Case> {};

TEST_P(DirectLoopback, IsRecognised) {
  wire::Request request;
  request.peer.is_loopback = GetParam().from_loopback;
  if (*GetParam().host != '\0') request.headers.add("Host", GetParam().host);
  for (const auto& [name, value] : GetParam().headers) request.headers.add(name, value);
  EXPECT_EQ(is_direct_loopback(request), GetParam().is_direct) << GetParam().what;
}

INSTANTIATE_TEST_SUITE_P(
    All, DirectLoopback,
    testing::Values(
        Case{"a program calls localhost", true, "localhost:5681", {}, true},
        Case{"by number", true, "127.0.0.1:5681", {}, true},
        Case{"by another number of the machine", true, "127.8.9.1", {}, true},
        Case{"over IPv6", true, "[::1]:5681", {}, true},
        Case{"in capitals, with the root's dot", true, "LOCALHOST.:5681", {}, true},
        Case{"a page that this server gave out", true, "localhost:5681", {{"Origin", "http://localhost:5681"}}, true},
        Case{"the same with a default port", true, "localhost", {{"Origin", "http://localhost:80"}}, true},
        Case{"the same over TLS", true, "localhost:443", {{"Origin", "https://localhost"}}, true},
        Case{"the address bar", true, "localhost:5681", {{"Sec-Fetch-Site", "none"}}, true},
        Case{"its own script", true, "localhost:5681", {{"Sec-Fetch-Site", "same-origin"}}, true},

        Case{"from another machine", false, "localhost:5681", {}, false}, Case{"no host", true, "", {}, false},
        Case{"a foreign name that points here", true, "evil.example:5681", {}, false},
        Case{"a name that only begins like ours", true, "localhost.evil.example", {}, false},
        Case{"a user in the host", true, "localhost@evil.example", {}, false},
        Case{"an empty port", true, "localhost:", {}, false}, Case{"no port at all", true, "localhost:0", {}, false},
        Case{"a port that is none", true, "localhost:56a", {}, false},
        Case{"through a proxy", true, "localhost:5681", {{"X-Forwarded-For", "1.2.3.4"}}, false},
        Case{"through a proxy that says little", true, "localhost:5681", {{"x-real-ip", ""}}, false},
        Case{"through a modern proxy", true, "localhost:5681", {{"Forwarded", "for=1.2.3.4"}}, false},
        Case{"a page of another site", true, "localhost:5681", {{"Origin", "https://evil.example"}}, false},
        Case{"a page of another program here", true, "localhost:5681", {{"Origin", "http://localhost:3000"}}, false},
        Case{"another name of this machine", true, "localhost:5681", {{"Origin", "http://127.0.0.1:5681"}}, false},
        Case{"a page without origin", true, "localhost:5681", {{"Origin", "null"}}, false},
        Case{"an origin with a path", true, "localhost:5681", {{"Origin", "http://localhost:5681/x"}}, false},
        Case{"two origins",
             true,
             "localhost:5681",
             {{"Origin", "http://localhost:5681"}, {"Origin", "https://evil.example"}},
             false},
        Case{"a form of another site", true, "localhost:5681", {{"Sec-Fetch-Site", "cross-site"}}, false},
        Case{"a form of a sibling site", true, "localhost:5681", {{"Sec-Fetch-Site", "same-site"}}, false}));

TEST(DirectLoopbackRequest, HasOneHostOnly) {
  wire::Request request;
  request.peer.is_loopback = true;
  request.headers.add("Host", "localhost");
  request.headers.add("host", "evil.example");
  EXPECT_FALSE(is_direct_loopback(request));
}

}  // namespace
}  // namespace mesh::api
