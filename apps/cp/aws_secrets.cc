#include "cp/aws_secrets.h"

#include <boost/json.hpp>

#include <functional>
#include <memory>
#include <optional>

#include "aws/credentials.h"
#include "aws/crypto.h"
#include "aws/json.h"
#include "base/encoding.h"
#include "base/files.h"
#include "base/mailbox.h"
#include "cp/say.h"
#include "identity/certificates.h"
#include "settings/loader.h"

namespace mesh {
namespace {

constexpr Duration kValidity = std::chrono::hours(24 * 365 * 10);

struct TlsValue {
  std::string certificate, ca;
  Secret key;
};

// None: it holds no certificate. CloudFormation fills a secret that waits for its value with something short.
Result<std::optional<TlsValue>> read_tls(const Secret& text) {
  if (text.reveal().find("BEGIN") == std::string::npos) return std::nullopt;
  boost::system::error_code problem;
  const auto document = boost::json::parse(text.reveal(), problem);
  const auto* object = problem ? nullptr : document.if_object();
  if (object == nullptr) return invalid("", "must be a JSON object with certificate, key and ca, in PEM");
  TlsValue out{aws::text_at(*object, "certificate"), aws::text_at(*object, "ca"), Secret(aws::text_at(*object, "key"))};
  MESH_RETURN_IF_ERROR(check_key_pair(out.certificate, out.key, false));
  if (out.ca.empty()) return invalid("ca", "is missing: what sidecars check the certificate against");
  return std::optional(std::move(out));
}

Result<Secret> make_tls(const std::vector<std::string>& host_names, const Clock& clock) {
  CertificateRequest request;
  request.common_name = host_names.front();
  request.dns_names = host_names;
  request.for_client = false;
  request.valid_for = kValidity;
  MESH_TRY(const KeyPair made, make_self_signed(request, KeyType::EcdsaP256, clock));
  return Secret(boost::json::serialize(boost::json::object{
      {"certificate", made.certificate_pem}, {"key", made.key_pem.reveal()}, {"ca", made.certificate_pem}}));
}

// What the secret holds, and which version that is; nothing and "": it never held anything.
Result<aws::SecretValue> get_or_nothing(aws::SecretVault& vault, const std::string& arn) {
  auto held = vault.get(arn);
  if (!held && held.error().kind == ErrorKind::NotFound) return aws::SecretValue{};
  return held;
}

Result<TlsValue> get_or_make_tls(const TlsSecret& wanted, aws::SecretVault& vault, const Clock& clock) {
  MESH_TRY(const aws::SecretValue held, get_or_nothing(vault, wanted.arn));
  auto found = read_tls(held.text);
  if (!found) return with_context(std::move(found).error(), "reading " + wanted.arn);
  if (*found) return std::move(**found);
  if (wanted.host_names.empty()) return error(ErrorKind::NotFound, wanted.arn + " holds no certificate");
  MESH_TRY(const Secret made, make_tls(wanted.host_names, clock));
  const Status put = vault.put(wanted.arn, made, aws::version_after(held.version));
  if (!put && put.error().kind != ErrorKind::Conflict) return put.error();
  say(put ? "made a certificate for " + wanted.host_names.front() : "another task made the certificate");
  // Ours or that of the task that was first: what the secret says now counts.
  MESH_TRY(const aws::SecretValue now, vault.get(wanted.arn));
  MESH_TRY(auto value, read_tls(now.text));
  if (!value)
    return error(ErrorKind::Unavailable, "a certificate was put into " + wanted.arn + ", which does not show it yet");
  return std::move(*value);
}

Status publish_ca(const std::string& arn, const std::string& ca, aws::SecretVault& vault) {
  MESH_TRY(const aws::SecretValue held, get_or_nothing(vault, arn));
  if (held.text.reveal() == ca) return {};
  MESH_RETURN_IF_ERROR(vault.put(arn, Secret(ca), hex_encode(aws::sha256(held.version + ca))));
  say("published what sidecars check it against");
  return {};
}

// From one second on, twice as long each time: a minute in all.
Status with_patience(const std::function<Status()>& what) {
  Mailbox<int> never;
  Status done = what();
  for (Duration pause = std::chrono::seconds(1);
       !done && done.error().kind == ErrorKind::Unavailable && pause < std::chrono::minutes(1); pause *= 2) {
    say(done.error().message() + "; trying again");
    (void)never.take_all_until({}, real_clock().steady() + pause);
    done = what();
  }
  return done;
}

Result<aws::SecretsManager> open_vault() {
  aws::ChainNeeds needs;
  needs.environment = aws::Environment(process_environment());
  needs.caller.fetch = aws::fetch_over_network();
  needs.caller.clock = &real_clock();
  MESH_TRY(needs.caller.addresses, aws::Addresses::from(needs.environment));
  auto keys = std::make_shared<aws::CredentialCache>(aws::make_credential_chain(needs), real_clock());
  return aws::SecretsManager(needs.caller, [keys]() -> Result<aws::KeyPair> {
    MESH_TRY(aws::Credentials credentials, keys->get());
    return credentials.keys;
  });
}

}  // namespace

Status prepare_tls(const TlsSecret& wanted, aws::SecretVault& vault, const Clock& clock) {
  MESH_TRY(const TlsValue tls, get_or_make_tls(wanted, vault, clock));
  if (!wanted.ca_arn.empty()) MESH_RETURN_IF_ERROR(publish_ca(wanted.ca_arn, tls.ca, vault));
  MESH_RETURN_IF_ERROR(write_file_atomically(wanted.directory / "tls.key", tls.key.reveal(), 0600));
  return write_file_atomically(wanted.directory / "tls.crt", tls.certificate, 0644);
}

Status save_admin_token(const std::string& api_url, const std::string& arn, aws::SecretVault& vault,
                        const aws::Fetch& fetch) {
  wire::ClientRequest request;
  request.method = "GET";
  request.url = api_url + "/global-secrets/admin-user-token";
  request.timeout = std::chrono::seconds(5);
  auto response = fetch(std::move(request));
  if (!response) return error(ErrorKind::Unavailable, "asking the control plane: " + response.error().message());
  if (response->status != 200)
    return error(ErrorKind::Unavailable, "the control plane answered with status " + std::to_string(response->status));
  boost::system::error_code problem;
  const auto document = boost::json::parse(response->body, problem);
  const auto* object = problem ? nullptr : document.if_object();
  const auto token = object == nullptr ? std::nullopt : base64_decode(aws::text_at(*object, "data"));
  if (!token || token->empty()) return error(ErrorKind::Internal, "the control plane told no token");
  return vault.put(arn, Secret(*token), hex_encode(aws::sha256(*token)));
}

Status run_prepare_tls(const TlsSecret& wanted) {
  MESH_TRY(auto vault, open_vault());
  return with_patience([&] { return prepare_tls(wanted, vault, real_clock()); });
}

Status run_save_admin_token(const std::string& api_url, const std::string& arn) {
  MESH_TRY(auto vault, open_vault());
  return with_patience([&] { return save_admin_token(api_url, arn, vault, aws::fetch_over_network()); });
}

}  // namespace mesh
