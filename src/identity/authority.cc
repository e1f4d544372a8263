#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/encoding.h"
#include "base/files.h"
#include "identity/certificates.h"
#include "identity/x509.h"

namespace mesh {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxFileBytes = 1 << 20;

class LocalAuthority final : public CertificateAuthority {
 public:
  static Result<std::shared_ptr<const CertificateAuthority>> load(std::string certificate_pem, const Secret& key_pem) {
    MESH_RETURN_IF_ERROR(check_key_pair(certificate_pem, key_pem, true));
    auto authority = std::make_shared<LocalAuthority>();
    MESH_TRY(std::vector<openssl::Certificate> certificates, read_certificates(certificate_pem));
    MESH_TRY(authority->key_, openssl::read_private_key(key_pem));
    authority->certificate_ = std::move(certificates.front());
    authority->root_pem_ = std::move(certificate_pem);
    authority->id_ = fingerprint(authority->certificate_.get());
    authority->expires_ = expiry_of(authority->certificate_.get());
    return std::shared_ptr<const CertificateAuthority>(std::move(authority));
  }

  const std::string& root_pem() const override { return root_pem_; }
  const std::string& id() const override { return id_; }

  Result<KeyPair> issue(const CertificateRequest& request, const Clock& clock) const override {
    const SystemTime now = clock.now();
    if (expires_ <= now)
      return error(ErrorKind::Unavailable,
                   "the certificate authority expired at " + format_time(expires_) + "; give the mesh a new one");
    MESH_TRY(const openssl::Key key, make_key(request.key_type));
    CertificateDraft draft = draft_of(request, now);
    draft.not_after = std::min(draft.not_after, expires_);
    MESH_TRY(const openssl::Certificate certificate,
             build_certificate(draft, key.get(), {certificate_.get(), key_.get()}));
    MESH_TRY(std::string certificate_pem, print_certificate(certificate.get()));
    MESH_TRY(Secret key_pem, openssl::print_private_key(key.get()));
    return KeyPair{std::move(certificate_pem), std::move(key_pem), draft.not_before, draft.not_after};
  }

 private:
  openssl::Certificate certificate_;
  openssl::Key key_;
  std::string root_pem_, id_;
  SystemTime expires_{};
};

Result<Secret> find_ca_secret(const std::string& mesh, const std::string& name, const std::string& where,
                              const SecretSource& secrets) {
  Result<Secret> secret = secrets.find_secret(mesh, name);
  if (secret.has_value()) return secret;
  Error missing = std::move(secret).error();
  missing.where = where;
  if (missing.kind == ErrorKind::NotFound)
    missing.text = fmt::format("Secret \"{}\" in mesh \"{}\" is not there", name, mesh);
  return missing;
}

const json::object* data_source(const CaBackend& backend, std::string_view field) {
  const json::object* conf = backend.conf.if_object();
  const json::value* source = conf == nullptr ? nullptr : conf->if_contains(field);
  return source == nullptr ? nullptr : source->if_object();
}

// `cert` or `key` of a provided backend: one of secret, file, inline (base64), inlineString.
Result<Secret> load_source(const std::string& mesh, const CaBackend& backend, const std::string& field,
                           const SecretSource& secrets) {
  const std::string where = "conf." + field;
  const json::object* source = data_source(backend, field);
  if (source == nullptr) return invalid(where, "has to be defined");
  const auto text = [&](std::string_view name) -> std::optional<std::string> {
    const json::value* value = source->if_contains(name);
    if (value == nullptr || !value->is_string()) return std::nullopt;
    return std::string(value->get_string());
  };
  if (const auto name = text("secret")) return find_ca_secret(mesh, *name, where + ".secret", secrets);
  if (const auto content = text("inlineString")) return Secret(*content);
  if (const auto encoded = text("inline")) {
    std::optional<std::string> decoded = base64_decode(*encoded);
    if (!decoded) return invalid(where + ".inline", "is not base64");
    return Secret(std::move(*decoded));
  }
  if (const auto path = text("file")) {
    Result<std::string> content = read_file(*path, kMaxFileBytes);
    if (!content.has_value()) return invalid(where + ".file", content.error().message());
    return Secret(std::move(*content));
  }
  return invalid(where, "must have one of secret, file, inline, inlineString");
}

Result<std::shared_ptr<const CertificateAuthority>> load_pair(Result<Secret> certificate, Result<Secret> key) {
  MESH_TRY(const Secret certificate_pem, std::move(certificate));
  MESH_TRY(const Secret key_pem, std::move(key));
  return LocalAuthority::load(certificate_pem.reveal(), key_pem);
}

}  // namespace

Result<std::shared_ptr<const CertificateAuthority>> load_authority(const std::string& mesh, const CaBackend& backend,
                                                                   const SecretSource& secrets) {
  Result<std::shared_ptr<const CertificateAuthority>> loaded =
      invalid("type", fmt::format("is \"{}\"; must be \"builtin\" or \"provided\"", backend.type));
  if (backend.type == "builtin")
    loaded = load_pair(find_ca_secret(mesh, builtin_certificate_secret(mesh, backend.name), "", secrets),
                       find_ca_secret(mesh, builtin_key_secret(mesh, backend.name), "", secrets));
  if (backend.type == "provided")
    loaded = load_pair(load_source(mesh, backend, "cert", secrets), load_source(mesh, backend, "key", secrets));
  if (loaded.has_value()) return loaded;
  return with_context(std::move(loaded).error(),
                      fmt::format("certificate authority \"{}\" of mesh \"{}\"", backend.name, mesh));
}

std::vector<std::string> used_secrets(const std::string& mesh, const CaBackend& backend) {
  if (backend.type == "builtin")
    return {builtin_certificate_secret(mesh, backend.name), builtin_key_secret(mesh, backend.name)};
  std::vector<std::string> names;
  for (const char* field : {"cert", "key"})
    if (const json::object* source = data_source(backend, field))
      if (const json::value* name = source->if_contains("secret"); name != nullptr && name->is_string())
        names.emplace_back(name->get_string());
  return names;
}

}  // namespace mesh
