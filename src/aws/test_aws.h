// AWS as the tests of this room need it: answers by URL, and a record of what was asked.
#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

#include "aws/credentials.h"

namespace mesh::aws::test {

inline wire::Response response(int status, std::string body, const std::string& type = "text/xml") {
  wire::Response out{.status = status, .headers = {}, .body = std::move(body)};
  out.headers.add("content-type", type);
  return out;
}

struct FakeNetwork {
  using Answer = std::function<Result<wire::Response>(const wire::ClientRequest&)>;
  Answer answer = [](const wire::ClientRequest& request) -> Result<wire::Response> {
    return error(ErrorKind::Unavailable, "nobody is at " + request.url);
  };
  std::vector<wire::ClientRequest> requests;

  Fetch fetch() {
    return [this](wire::ClientRequest request) {
      requests.push_back(request);
      return answer(request);
    };
  }
  std::vector<std::string> urls() const {
    std::vector<std::string> out;
    for (const auto& request : requests) out.push_back(request.method + " " + request.url);
    return out;
  }
};

struct World {
  ManualClock clock{*parse_time("2026-11-24T11:20:00Z")};
  FakeNetwork network;

  ChainNeeds needs(const Environment& environment) {
    auto addresses = Addresses::from(environment);
    EXPECT_TRUE(addresses) << addresses.error().message();
    return {environment, {network.fetch(), &clock, *addresses}};
  }
  Result<Credentials> load(const Environment& environment) { return make_credential_chain(needs(environment))->load(); }
};

inline std::string credentials_json(const std::string& key, const std::string& expires = "2026-11-24T17:20:00Z") {
  return R"({"RoleArn":"arn:aws:iam::123456789012:role/kv","AccessKeyId":")" + key +
         R"(","SecretAccessKey":"secret","Token":"token","Expiration":")" + expires + "\"}";
}

}  // namespace mesh::aws::test
