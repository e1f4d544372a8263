// Secrets Manager: the value of a secret, and putting a new one into it.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "aws/service.h"

namespace mesh::aws {

struct SecretValue {
  Secret text;
  std::string version;  // "EXAMPLE1-90ab-cdef-fedc-ba987SECRET1"; of one secret never given twice
};

// Where secrets are kept. Thread-safe; each call may block.
class SecretVault {
 public:
  virtual ~SecretVault() = default;
  // NotFound: there is no such secret, or it has no value (of text) yet.
  virtual Result<SecretValue> get(const std::string& arn) = 0;
  // `version` (32 to 64 characters) names the new value. The first that puts one under a name wins: doing it again with
  // the same text changes nothing, with another it is a Conflict.
  virtual Status put(const std::string& arn, const Secret& text, const std::string& version) = 0;
};

// Asks AWS, one request for each call, in the region that the secret's ARN says. Invalid: what names the secret is no
// ARN of Secrets Manager.
class SecretsManager : public SecretVault {
 public:
  SecretsManager(Caller caller, std::function<Result<KeyPair>()> keys)
      : caller_(std::move(caller)), keys_(std::move(keys)) {}

  Result<SecretValue> get(const std::string& arn) override;
  Status put(const std::string& arn, const Secret& text, const std::string& version) override;

 private:
  Result<std::string> call(const std::string& arn, const std::string& operation, std::string body);

  const Caller caller_;
  const std::function<Result<KeyPair>()> keys_;
};

// The name of the version that follows `version`: everybody who read the same value finds the same one, so only one of
// them puts his in.
std::string version_after(std::string_view version);

}  // namespace mesh::aws
