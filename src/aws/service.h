// One call to a service of AWS: where it really is, signing, and what its answer means.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aws/call_counters.h"
#include "aws/environment.h"
#include "aws/http.h"
#include "aws/regions.h"
#include "aws/sigv4.h"
#include "aws/xml.h"
#include "base/clock.h"

namespace mesh::aws {

// Where requests really go. AWS_ENDPOINT_URL_<SERVICE> and AWS_ENDPOINT_URL (VPC endpoints, emulators) replace the
// address that is connected to, and never the host that is signed.
class Addresses {
 public:
  // Reads AWS_CA_BUNDLE; Invalid: a URL is none, or is plain HTTP to another machine, whose answers anybody could give.
  static Result<Addresses> from(const Environment& environment);

  // "https://host" or what replaces it. `service` is "STS", "IAM", "ROUTE_53", "SECRETS_MANAGER".
  std::string url_of(const std::string& service, const std::string& host) const;
  const std::string& ca_pem() const { return ca_pem_; }  // empty: the system's

 private:
  std::map<std::string, std::string> urls_;  // service → URL; "": all others
  std::string ca_pem_;
};

// What calls need. Copied freely.
struct Caller {
  Fetch fetch;
  const Clock* clock = nullptr;
  Addresses addresses;
  Duration timeout = std::chrono::seconds(5);
  std::shared_ptr<CallCounters> counters = {};  // may be null
};

// The request to that URL with the headers of `signing`, and its signature; `keys` null: it is not signed.
wire::ClientRequest signed_request(const Caller& caller, std::string url, SigningRequest signing, const KeyPair* keys,
                                   const SigningScope& scope);
// Sends it as calls to AWS go: with the caller's authorities and time, an answer of at most so many bytes. Unavailable:
// there is none; the text names `service` ("STS") and the URL.
Result<wire::Response> send(const Caller& caller, const std::string& service, wire::ClientRequest request,
                            std::size_t largest_answer);

// A request of the query protocol (STS, IAM), as a form.
struct QueryCall {
  std::string service;          // "STS"
  std::string signing_service;  // "sts"
  Endpoint endpoint;
  std::vector<std::pair<std::string, std::string>> form;
};
// The root of the answer. Unavailable: it cannot be reached, is overloaded or throttles. Unauthenticated, Denied,
// NotFound, Invalid: it refused, with AWS's code in the text and never more of what it said: that may quote what was
// sent. `keys` null: the request is not signed.
Result<XmlElement> call_query(const Caller& caller, const QueryCall& call, const KeyPair* keys);

// The same for a request of this operation ("GetCallerIdentity") that was put together elsewhere.
Result<XmlElement> send_query(const Caller& caller, const std::string& service, const std::string& operation,
                              wire::ClientRequest request);
Result<XmlElement> read_query_answer(const std::string& service, const wire::Response& response);

// What AWS's code for an error means to the caller, whatever the protocol; and the code as it may be repeated: AWS's
// are words, anything else is not.
ErrorKind error_kind(int status, const std::string& code);
std::string clean_code(const std::string& code);

}  // namespace mesh::aws
