// Signature Version 4: how a request to AWS proves who sent it. Pure: the time comes in, headers come out.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace mesh::aws {

struct KeyPair {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;  // empty for the keys of a user
};

// What a signature is good for beside its time.
struct SigningScope {
  std::string region;
  std::string service;
};

struct SigningRequest {
  std::string method = "GET";
  std::string path = "/";                                    // as it goes over the wire
  std::string query;                                         // as it goes over the wire, without "?"
  std::vector<std::pair<std::string, std::string>> headers;  // all of them are signed; Host must be there
  std::string body;
};

struct SigningOptions {
  bool normalize_path = true;       // every service but S3
  bool encode_path_twice = true;    // the same
  bool add_content_sha256 = false;  // the header x-amz-content-sha256: S3 alone wants it
  bool sign_session_token = true;   // a few old services want it outside the signature
};

struct Signature {
  std::string amz_date;                           // 20150830T123600Z
  std::string signed_headers;                     // host;x-amz-date
  std::string canonical_request, string_to_sign;  // for tests: they hold the session token, so never log them
  std::string hex;
  // What to add to the request: x-amz-date, x-amz-security-token, authorization …
  std::vector<std::pair<std::string, std::string>> headers;
};

Signature sign(const SigningRequest& request, const KeyPair& keys, const SigningScope& scope, SystemTime now,
               const SigningOptions& options = {});

// The signature as part of the query: who has it may send the request for so long. Host is the only header that is
// signed. Returns the whole query.
std::string presign(const SigningRequest& request, const KeyPair& keys, const SigningScope& scope, SystemTime now,
                    std::chrono::seconds valid_for);

std::string amz_date(SystemTime time);
// Exactly the form that amz_date() writes, and a time that exists. Invalid otherwise.
Result<SystemTime> parse_amz_date(std::string_view text);

// Percent-encoding of everything but letters, digits and -._~
std::string uri_encode(std::string_view text, bool keep_slashes = false);
// application/x-www-form-urlencoded, in the order given.
std::string form_encode(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace mesh::aws
