#include "identity/aws_authority.h"

#include <algorithm>

#include "aws/crypto.h"
#include "aws/sts.h"

namespace mesh {
namespace {

constexpr std::size_t kMaxVerified = 50'000;
constexpr AnswerCache<AwsIdentity>::Ages kProofAges = {.good = AwsAuthority::kMaxAge + AwsAuthority::kMaxAhead,
                                                       .bad = std::chrono::minutes(1)};

Error unauthenticated(const std::string& text) { return error(ErrorKind::Unauthenticated, text); }

std::string described(const ProxyClaims& claims) {
  return claims.type + " \"" + claims.name + "\"" + (claims.mesh.empty() ? "" : " of mesh \"" + claims.mesh + "\"");
}

}  // namespace

Status check_settings(const AwsAuthoritySettings& settings) {
  if (settings.accounts.empty() && settings.roles.roles_to_assume.empty()) {
    return invalid("kmesh.awsIAM.authorizedAccountIds (KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS)",
                   "is empty, and so is kmesh.awsIAM.rolesToAssumeForAccounts: with aws-iam one of them must say whose "
                   "roles may run proxies");
  }
  for (const std::string& account : settings.accounts) {
    if (!aws::is_account_id(account))
      return invalid("kmesh.awsIAM.authorizedAccountIds (KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS)",
                     "\"" + account + "\" is no AWS account: twelve digits");
  }
  for (const auto& [account, role] : settings.roles.roles_to_assume) {
    if (!aws::is_account_id(account))
      return invalid("kmesh.awsIAM.rolesToAssumeForAccounts", "\"" + account + "\" is no AWS account: twelve digits");
    if (!aws::is_role_name(role))
      return invalid("kmesh.awsIAM.rolesToAssumeForAccounts." + account,
                     "\"" + role + "\" is no name of a role (its name alone, no ARN)");
  }
  return {};
}

Result<AwsIdentity> read_identity(const std::string& arn_text, const std::string& account, const std::string& user_id,
                                  std::string_view partition) {
  const auto arn = aws::parse_arn(arn_text);
  if (!arn) return unauthenticated("AWS says that the credential belongs to something without an ARN");
  const auto& resource = arn->resource;
  const auto first = resource.find('/'), last = resource.rfind('/');
  const bool is_role = arn->service == "sts" && arn->region.empty() && resource.starts_with("assumed-role/") &&
                       first != last && std::count(resource.begin(), resource.end(), '/') == 2;
  if (!is_role) {
    return error(ErrorKind::Denied,
                 "the credential is that of " + arn_text.substr(0, 200) + ", not of a role that a task runs with");
  }
  AwsIdentity out{.partition = arn->partition,
                  .account = arn->account,
                  .role = resource.substr(first + 1, last - first - 1),
                  .role_id = {}};
  const std::string session = resource.substr(last + 1);
  const auto colon = user_id.find(':');
  out.role_id = user_id.substr(0, colon);
  const bool is_whole = colon != std::string::npos && user_id.substr(colon + 1) == session &&
                        out.role_id.starts_with("AROA") && !session.empty();
  if (!is_whole || out.account != account || !aws::is_account_id(account) || !aws::is_role_name(out.role) ||
      out.partition != partition) {
    return error(ErrorKind::Unavailable, "the answer of AWS STS contradicts itself");
  }
  return out;
}

AwsAuthority::AwsAuthority(AwsAuthoritySettings settings, aws::ChainNeeds needs,
                           std::function<std::set<std::string>()> audiences)
    : settings_(std::move(settings)),
      needs_(std::move(needs)),
      audiences_(std::move(audiences)),
      roles_(settings_.roles, needs_),
      gate_("AWS STS", *needs_.caller.clock,
            {.per_second = settings_.sts_calls_per_second, .burst = settings_.sts_burst}),
      misbehaviour_(*needs_.caller.clock, 0.2, 20),
      verified_(*needs_.caller.clock, kMaxVerified) {}

bool AwsAuthority::is_authorised(const std::string& account) const {
  return settings_.accounts.contains(account) || settings_.roles.roles_to_assume.contains(account);
}

// All that can be said of it before anything is sent, and without knowing whose it should be.
Result<aws::IdentityProof> AwsAuthority::read_proof(const Secret& credential) const {
  if (credential.empty())
    return unauthenticated(
        "the IAM role of the task must be proved (taskmesh-dp run --auth-type=aws), and nothing was");
  if (!aws::looks_like_identity_proof(credential.reveal())) {
    return unauthenticated(
        "this control plane wants the IAM role of the task (taskmesh-dp run --auth-type=aws); what was given is "
        "something else, such as a dataplane token");
  }
  auto proof = aws::parse_identity_proof(credential.reveal());
  if (!proof) return unauthenticated("the AWS credential cannot be used: " + proof.error().message());
  if (!audiences_().contains(proof->claims.audience)) {
    return unauthenticated("the AWS credential is for the control plane \"" + proof->claims.audience +
                           "\", which is no name of this one: neither in its certificate nor in kmesh.awsIAM.audiences "
                           "(KMESH_AWSIAM_AUDIENCES)");
  }
  const SystemTime now = needs_.caller.clock->now();
  if (now - proof->signed_at > kMaxAge) {
    return unauthenticated("the AWS credential was signed at " + aws::amz_date(proof->signed_at) +
                           ", more than 5 minutes ago; the sidecar signs anew every 2 minutes: is its clock right?");
  }
  if (proof->signed_at - now > kMaxAhead) {
    return unauthenticated("the AWS credential was signed at " + aws::amz_date(proof->signed_at) +
                           ", which is in the future; is the clock of the task right?");
  }
  return proof;
}

Status AwsAuthority::check_claims(const aws::IdentityProof& proof, const ProxyClaims& claims) const {
  if (proof.claims.type == claims.type && proof.claims.mesh == claims.mesh && proof.claims.name == claims.name)
    return {};
  return unauthenticated("the AWS credential is for " +
                         described({.type = proof.claims.type,
                                    .mesh = proof.claims.mesh,
                                    .name = proof.claims.name,
                                    .services = {},
                                    .workload = {}}) +
                         ", not for " + described(claims));
}

Result<AwsIdentity> AwsAuthority::identify(const Secret& credential, const ProxyClaims& claims,
                                           const std::string& source) {
  const auto proof = read_proof(credential);
  Status good = proof ? check_claims(*proof, claims) : Status(proof.error());
  if (good && misbehaviour_.is_too_much(source)) {
    good =
        error(ErrorKind::Unavailable, "too many credentials from " + source + " were refused by AWS; try again later");
  }
  if (!good) {
    ++refused_unasked_;
    return std::move(good).error();
  }
  bool was_asked = false;
  auto identity = verified_.get(aws::sha256(credential.reveal()), kProofAges, [&] {
    was_asked = true;
    return ask_sts(*proof);
  });
  if (was_asked && !identity && identity.error().kind == ErrorKind::Unauthenticated) misbehaviour_.note(source);
  return identity;
}

bool AwsAuthority::would_wait(const Secret& credential) const {
  if (!read_proof(credential)) return false;
  const auto known = verified_.peek(aws::sha256(credential.reveal()), kProofAges);
  return !known || (*known && !roles_.is_known(**known));
}

AwsAuthorityCounts AwsAuthority::counts() const {
  return {verified_.counts(), roles_.counts(), refused_unasked_, gate_.held_back() + roles_.held_back()};
}

Result<AwsIdentity> AwsAuthority::ask_sts(const aws::IdentityProof& proof) {
  MESH_RETURN_IF_ERROR(gate_.enter());
  const auto ask = [&]() -> Result<aws::CallerIdentity> {
    MESH_TRY(wire::ClientRequest request, aws::caller_identity_request(proof));
    request.url = needs_.caller.addresses.url_of("STS", std::string(*request.headers.find("host"))) + "/";
    MESH_TRY(const aws::XmlElement root,
             aws::send_query(needs_.caller, "STS", "GetCallerIdentity", std::move(request)));
    return aws::read_caller_identity(root);
  };
  auto caller = ask();
  gate_.leave(caller ? Status() : Status(caller.error()));
  if (!caller) {
    // What STS does not accept is a bad signature, whatever it calls it.
    if (caller.error().kind != ErrorKind::Unavailable)
      return unauthenticated("AWS does not accept the credential: " + caller.error().text);
    return std::move(caller).error();
  }
  MESH_TRY(AwsIdentity identity, read_identity(caller->arn, caller->account, caller->user_id, proof.region->partition));
  if (!is_authorised(identity.account)) {
    return error(ErrorKind::Denied,
                 "role " + identity.text() +
                     " may not run proxies: its account is neither in kmesh.awsIAM.authorizedAccountIds "
                     "(KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS) nor in kmesh.awsIAM.rolesToAssumeForAccounts");
  }
  return identity;
}

Status AwsAuthority::authorise(const AwsIdentity& identity, const ProxyClaims& claims) {
  MESH_TRY(const aws::Role role, roles_.get(identity));
  Status allowed = check_role_tags(role.tags, claims, identity.text());
  if (allowed) return allowed;
  // Perhaps the tags were put right a moment ago.
  const auto newer = roles_.get_newer(identity);
  return newer ? check_role_tags(newer->tags, claims, identity.text()) : allowed;
}

}  // namespace mesh
