// How a proxy proves which IAM role it runs with: it signs a GetCallerIdentity request and hands over what is needed to
// send it. Who verifies puts the request together himself and sends it to STS, which says whose signature it is. A
// proof carries no URL, no headers and no body, so there is nothing in it that could send a request elsewhere or change
// it.
//
// One signed header binds it to a control plane (the name that was dialled and verified by TLS), to a proxy and its
// type. It is a bearer credential for these, for as long as AWS honours the signature: five minutes.
#pragma once

#include <string>
#include <string_view>

#include "aws/regions.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/client.h"

namespace mesh::aws {

struct ProofClaims {
  std::string audience;  // host name or address of the control plane, in lower case
  std::string mesh;      // empty for zone proxies
  std::string name;
  std::string type;  // "dataplane", "ingress", "egress"

  friend bool operator==(const ProofClaims&, const ProofClaims&) = default;
};

struct IdentityProof {
  ProofClaims claims;
  const Region* region = nullptr;
  StsEndpoint endpoint = StsEndpoint::Regional;
  SystemTime signed_at;
  std::string access_key_id;
  Secret session_token;
  Secret signature;
};

// Invalid: the keys are not those of a role, or a claim has a form that a proof cannot have.
Result<Secret> make_identity_proof(const ProofClaims& claims, const KeyPair& keys, const Region& region,
                                   StsEndpoint endpoint, SystemTime now);

// There is exactly one way to write a proof: what is not byte for byte that is Invalid (unknown, doubled or renamed
// fields, another order, white space). What is wrong is said without quoting it.
Result<IdentityProof> parse_identity_proof(std::string_view text);
bool looks_like_identity_proof(std::string_view text);

// The request that was signed, put together from its parts. The host is that of AWS's endpoint; where it is sent is for
// the caller to say: url is empty.
Result<wire::ClientRequest> caller_identity_request(const IdentityProof& proof);

// An audience in the form that claims have: lower case, without brackets and the last dot.
std::string normal_audience(std::string_view host);

}  // namespace mesh::aws
