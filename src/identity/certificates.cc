#include "identity/certificates.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>

#include "base/random.h"
#include "identity/x509.h"
#include "model/rules.h"

namespace mesh {
namespace {

using std::chrono::hours;

Result<KeyPair> print_pair(X509* certificate, EVP_PKEY* key, const CertificateDraft& draft) {
  MESH_TRY(std::string certificate_pem, print_certificate(certificate));
  MESH_TRY(Secret key_pem, openssl::print_private_key(key));
  return KeyPair{std::move(certificate_pem), std::move(key_pem), draft.not_before, draft.not_after};
}

Result<KeyPair> self_signed(const CertificateDraft& draft, EVP_PKEY* key) {
  MESH_TRY(const openssl::Certificate certificate, build_certificate(draft, key, {nullptr, key}));
  return print_pair(certificate.get(), key, draft);
}

// What conf.caCert of a builtin backend asks for.
struct RootSettings {
  unsigned rsa_bits = 0;  // 0: P-256
  Duration valid_for = hours(10 * 365 * 24);
};

Result<RootSettings> root_settings(const CaBackend& backend) {
  RootSettings settings;
  const boost::json::object* conf = backend.conf.if_object();
  const boost::json::value* cert = conf == nullptr ? nullptr : conf->if_contains("caCert");
  const boost::json::object* wanted = cert == nullptr ? nullptr : cert->if_object();
  if (wanted == nullptr) return settings;
  if (const boost::json::value* bits = wanted->if_contains("RSAbits"); bits != nullptr && !bits->is_null()) {
    boost::json::error_code failed;
    settings.rsa_bits = bits->to_number<unsigned>(failed);
    if (failed || settings.rsa_bits < 2048 || settings.rsa_bits > 8192)
      return invalid("conf.caCert.RSAbits", "must be 2048 to 8192");
  }
  if (const boost::json::value* age = wanted->if_contains("expiration");
      age != nullptr && age->is_string() && !age->get_string().empty()) {
    const Result<Duration> parsed = parse_lifetime(age->get_string());
    if (!parsed.has_value()) return invalid("conf.caCert.expiration", parsed.error().text);
    settings.valid_for = *parsed;
  }
  return settings;
}

Violation check_ca(X509* certificate, std::size_t index) {
  const std::string field = fmt::format("cert[{}]", index);
  X509_check_purpose(certificate, -1, 0);  // reads the extensions
  const std::uint32_t flags = X509_get_extension_flags(certificate);
  const std::uint32_t usage = X509_get_key_usage(certificate);
  if ((flags & EXFLAG_CA) == 0) return {field, "basic constraint 'CA' must be 'true'"};
  if ((flags & EXFLAG_KUSAGE) == 0 || (usage & KU_KEY_CERT_SIGN) == 0)
    return {field, "key usage 'keyCertSign' must be set"};
  if ((usage & KU_KEY_AGREEMENT) != 0) return {field, "key usage 'keyAgreement' must not be set"};
  return {};
}

Error refused(std::vector<Violation> violations) {
  return {ErrorKind::Invalid, "", "the certificate and key cannot be used", std::move(violations)};
}

}  // namespace

Result<KeyPair> make_self_signed(const CertificateRequest& request, KeyType type, const Clock& clock) {
  MESH_TRY(const openssl::Key key, make_key(type));
  CertificateDraft draft = draft_of(request, clock.now());
  // It is its own root: who trusts it puts it among the CAs.
  draft.is_ca = draft.may_sign_certificates = true;
  // Roots are looked up by their subject, and of several with the same one Envoy and OpenSSL take the first: while a
  // certificate is replaced, both are trusted, and each must be found.
  draft.organizational_unit = make_uuid();
  return self_signed(draft, key.get());
}

Result<KeyPair> make_builtin_root(const std::string& mesh, const CaBackend& backend, const Clock& clock) {
  MESH_TRY(const RootSettings settings, root_settings(backend));
  MESH_TRY(const openssl::Key key,
           settings.rsa_bits != 0 ? make_rsa_key(settings.rsa_bits) : make_key(KeyType::EcdsaP256));
  const SystemTime now = clock.now();
  CertificateDraft draft;
  draft.organization = "Taskmesh";
  draft.organizational_unit = "Mesh";
  draft.common_name = mesh;
  draft.uris = {"spiffe://" + mesh};
  draft.not_before = later(now, -std::chrono::seconds(10));
  draft.not_after = later(now, settings.valid_for);
  draft.is_ca = draft.may_sign_certificates = true;
  draft.may_be_used_for_tls = false;
  return self_signed(draft, key.get());
}

std::string builtin_certificate_secret(const std::string& mesh, const std::string& backend) {
  return fmt::format("{}.ca-builtin-cert-{}", mesh, backend);
}
std::string builtin_key_secret(const std::string& mesh, const std::string& backend) {
  return fmt::format("{}.ca-builtin-key-{}", mesh, backend);
}

Result<Duration> workload_validity(const CaBackend& backend) {
  if (!backend.dp_cert || !backend.dp_cert->rotation || backend.dp_cert->rotation->expiration.empty()) return hours(24);
  return parse_lifetime(backend.dp_cert->rotation->expiration);
}

Status check_key_pair(const std::string& certificate_pem, const Secret& key_pem, bool must_be_ca) {
  std::vector<Violation> violations;
  const Result<std::vector<openssl::Certificate>> certificates = read_certificates(certificate_pem);
  if (!certificates.has_value()) violations.push_back({"cert", certificates.error().text});
  const Result<openssl::Key> key = openssl::read_private_key(key_pem);
  if (!key.has_value()) violations.push_back({"key", key.error().text});
  if (!violations.empty()) return refused(std::move(violations));

  const bool fits = X509_check_private_key(certificates->front().get(), key->get()) == 1;
  ERR_clear_error();
  if (!fits) violations.push_back({"key", "is not the key of the (first) certificate"});
  for (std::size_t i = 0; must_be_ca && i < certificates->size(); ++i)
    if (Violation found = check_ca((*certificates)[i].get(), i); !found.field.empty())
      violations.push_back(std::move(found));
  if (!violations.empty()) return refused(std::move(violations));
  return {};
}

}  // namespace mesh
