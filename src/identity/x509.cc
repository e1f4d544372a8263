#include "identity/x509.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "base/random.h"

namespace mesh {
namespace {

constexpr std::size_t kMaxCertificates = 16;

using openssl::Free;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using BasicConstraints = std::unique_ptr<BASIC_CONSTRAINTS, Free<BASIC_CONSTRAINTS_free>>;
using BitString = std::unique_ptr<ASN1_BIT_STRING, Free<ASN1_BIT_STRING_free>>;
using OctetString = std::unique_ptr<ASN1_OCTET_STRING, Free<ASN1_OCTET_STRING_free>>;
using KeyId = std::unique_ptr<AUTHORITY_KEYID, Free<AUTHORITY_KEYID_free>>;
using Uses = std::unique_ptr<EXTENDED_KEY_USAGE, Free<EXTENDED_KEY_USAGE_free>>;

// Bits of keyUsage, RFC 5280 section 4.2.1.3.
enum KeyUsage { kDigitalSignature = 0, kKeyEncipherment = 2, kKeyAgreement = 4, kCertSign = 5, kCrlSign = 6 };

Status add_extension(X509* certificate, int id, void* value, bool critical) {
  if (X509_add1_ext_i2d(certificate, id, value, critical ? 1 : 0, X509V3_ADD_DEFAULT) != 1)
    return openssl::failure("cannot add an extension to a certificate");
  return {};
}

// 128 bits, positive, as others do and RFC 5280 allows.
Status set_serial(X509* certificate) {
  std::string bytes = random_bytes(16);
  bytes[0] = static_cast<char>((bytes[0] & 0x7f) | 0x40);
  const openssl::BigNumber number(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), 16, nullptr));
  if (number == nullptr || BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr)
    return openssl::failure("cannot make a serial number");
  return {};
}

Status set_validity(X509* certificate, SystemTime not_before, SystemTime not_after) {
  if (ASN1_TIME_set(X509_getm_notBefore(certificate), std::chrono::system_clock::to_time_t(not_before)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate), std::chrono::system_clock::to_time_t(not_after)) == nullptr)
    return openssl::failure("cannot set the validity of a certificate");
  return {};
}

Status set_subject(X509* certificate, const CertificateDraft& draft) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const std::pair<int, const std::string*> parts[] = {{NID_organizationName, &draft.organization},
                                                      {NID_organizationalUnitName, &draft.organizational_unit},
                                                      {NID_commonName, &draft.common_name}};
  for (const auto& [id, text] : parts) {
    if (text->empty()) continue;
    if (X509_NAME_add_entry_by_NID(subject, id, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text->data()),
                                   static_cast<int>(text->size()), -1, 0) == 1)
      continue;
    (void)openssl::failure("");
    return invalid("commonName", fmt::format("\"{}\" cannot be the subject of a certificate", *text));
  }
  return {};
}

// X509_set_pubkey goes through OpenSSL's general encoder, which costs seven times what signing does; the public key of
// the one kind that is made by the thousand is put in directly.
Status set_public_key(X509* certificate, EVP_PKEY* key) {
  std::array<unsigned char, 65> point{};
  std::size_t size = 0;
  const bool is_p256 =
      EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) == 256 &&
      EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size) == 1 &&
      size == point.size();
  bool set = false;
  if (is_p256) {
    auto* owned = static_cast<unsigned char*>(OPENSSL_memdup(point.data(), size));
    set = X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(certificate), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                                 V_ASN1_OBJECT, OBJ_nid2obj(NID_X9_62_prime256v1), owned, static_cast<int>(size)) == 1;
  } else {
    set = X509_set_pubkey(certificate, key) == 1;
  }
  if (!set) return openssl::failure("cannot put a key into a certificate");
  return {};
}

bool is_plain_ascii(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

Status add_name(GENERAL_NAMES* names, int type, const std::string& bytes) {
  ASN1_STRING* value = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (value == nullptr || name == nullptr ||
      ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size())) != 1 ||
      sk_GENERAL_NAME_push(names, name) == 0) {
    ASN1_STRING_free(value);
    GENERAL_NAME_free(name);
    return openssl::failure("cannot add a name to a certificate");
  }
  GENERAL_NAME_set0_value(name, type, value);
  return {};
}

Result<std::string> address_bytes(const std::string& address) {
  std::array<char, 16> bytes{};
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return std::string(bytes.data(), 4);
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) return std::string(bytes.data(), 16);
  return invalid("", fmt::format("\"{}\" is not an IP address", address));
}

Status add_alternative_names(X509* certificate, const CertificateDraft& draft) {
  if (draft.dns_names.empty() && draft.ip_addresses.empty() && draft.uris.empty()) return {};
  const GeneralNames names(sk_GENERAL_NAME_new_null());
  for (const auto& [type, list] : {std::pair{GEN_DNS, &draft.dns_names}, {GEN_URI, &draft.uris}})
    for (const std::string& name : *list) {
      if (!is_plain_ascii(name)) return invalid("", fmt::format("\"{}\" cannot be a name in a certificate", name));
      MESH_RETURN_IF_ERROR(add_name(names.get(), type, name));
    }
  for (const std::string& address : draft.ip_addresses) {
    MESH_TRY(const std::string bytes, address_bytes(address));
    MESH_RETURN_IF_ERROR(add_name(names.get(), GEN_IPADD, bytes));
  }
  // Who has no subject is known by these names alone, so they must be understood.
  const bool critical = X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0;
  return add_extension(certificate, NID_subject_alt_name, names.get(), critical);
}

Status add_constraints(X509* certificate, bool is_ca) {
  const BasicConstraints constraints(BASIC_CONSTRAINTS_new());
  constraints->ca = is_ca ? 0xff : 0;
  return add_extension(certificate, NID_basic_constraints, constraints.get(), true);
}

Status add_key_usage(X509* certificate, const CertificateDraft& draft, bool is_rsa) {
  const BitString usage(ASN1_BIT_STRING_new());
  const auto allow = [&](int bit) { ASN1_BIT_STRING_set_bit(usage.get(), bit, 1); };
  if (draft.may_be_used_for_tls) {
    allow(kDigitalSignature);
    if (is_rsa) allow(kKeyEncipherment);
  }
  if (draft.may_sign_certificates) {
    allow(kCertSign);
    allow(kCrlSign);
  }
  return add_extension(certificate, NID_key_usage, usage.get(), true);
}

Status add_extended_usage(X509* certificate, const CertificateDraft& draft) {
  if (!draft.for_server && !draft.for_client) return {};
  const Uses uses(sk_ASN1_OBJECT_new_null());
  if (draft.for_server) sk_ASN1_OBJECT_push(uses.get(), OBJ_nid2obj(NID_server_auth));
  if (draft.for_client) sk_ASN1_OBJECT_push(uses.get(), OBJ_nid2obj(NID_client_auth));
  return add_extension(certificate, NID_ext_key_usage, uses.get(), false);
}

// Says which key is a CA's, and which CA's key signed: verifiers find their way by it when a CA has two.
Status add_key_ids(X509* certificate, const CertificateDraft& draft, const Signer& signer) {
  if (draft.is_ca) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    X509_pubkey_digest(certificate, EVP_sha1(), digest.data(), &size);
    const OctetString id(ASN1_OCTET_STRING_new());
    ASN1_OCTET_STRING_set(id.get(), digest.data(), static_cast<int>(size));
    MESH_RETURN_IF_ERROR(add_extension(certificate, NID_subject_key_identifier, id.get(), false));
  }
  if (signer.certificate == nullptr) return {};
  const ASN1_OCTET_STRING* signers = X509_get0_subject_key_id(signer.certificate);
  if (signers == nullptr) return {};
  const KeyId id(AUTHORITY_KEYID_new());
  id->keyid = ASN1_OCTET_STRING_dup(signers);
  return add_extension(certificate, NID_authority_key_identifier, id.get(), false);
}

}  // namespace

Result<std::vector<openssl::Certificate>> read_certificates(const std::string& pem) {
  const openssl::Stream stream = openssl::reader(pem);
  std::vector<openssl::Certificate> certificates;
  while (X509* certificate = PEM_read_bio_X509(stream.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
    if (certificates.size() > kMaxCertificates)
      return invalid("cert", fmt::format("holds more than {} certificates", kMaxCertificates));
  }
  const bool at_the_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty() || !at_the_end) return invalid("cert", "is not a certificate in PEM");
  return certificates;
}

Result<std::string> print_certificate(X509* certificate) {
  const openssl::Stream out(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(out.get(), certificate) != 1) return openssl::failure("cannot print a certificate");
  return openssl::written(out.get());
}

std::string fingerprint(X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  return hex_encode({reinterpret_cast<const char*>(digest.data()), size});
}

SystemTime expiry_of(X509* certificate) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return {};
  // Some say "never" with a year that 64 bits of nanoseconds cannot hold.
  if (parts.tm_year > 2200 - 1900) parts.tm_year = 2200 - 1900;
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

SystemTime later(SystemTime time, Duration by) {
  constexpr Duration kLongest = std::chrono::hours(100 * 365 * 24);
  return time + std::chrono::duration_cast<SystemTime::duration>(std::min(by, kLongest));
}

Result<openssl::Key> make_rsa_key(unsigned bits) {
  openssl::Key key(EVP_RSA_gen(bits));
  if (key == nullptr) return openssl::failure("cannot make an RSA key");
  return key;
}

// Looking an algorithm up costs more than making a P-256 key, so each thread keeps what it found.
Result<openssl::Key> make_key(KeyType type) {
  if (type == KeyType::Rsa2048) return make_rsa_key(2048);
  static thread_local const openssl::KeyContext context = [] {
    openssl::KeyContext made(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    if (EVP_PKEY_keygen_init(made.get()) != 1 || EVP_PKEY_CTX_set_group_name(made.get(), "P-256") != 1) made.reset();
    return made;
  }();
  EVP_PKEY* key = nullptr;
  if (context == nullptr || EVP_PKEY_generate(context.get(), &key) != 1)
    return openssl::failure("cannot make a P-256 key");
  return openssl::Key(key);
}

CertificateDraft draft_of(const CertificateRequest& request, SystemTime now) {
  CertificateDraft draft;
  draft.common_name = request.common_name;
  draft.dns_names = request.dns_names;
  draft.ip_addresses = request.ip_addresses;
  draft.uris = request.uris;
  draft.not_before = later(now, -request.backdate);
  draft.not_after = later(now, request.valid_for);
  draft.for_server = request.for_server;
  draft.for_client = request.for_client;
  return draft;
}

Result<openssl::Certificate> build_certificate(const CertificateDraft& draft, EVP_PKEY* key, const Signer& signer) {
  openssl::Certificate certificate(X509_new());
  X509* out = certificate.get();
  if (X509_set_version(out, X509_VERSION_3) != 1) return openssl::failure("cannot make a certificate");
  MESH_RETURN_IF_ERROR(set_public_key(out, key));
  MESH_RETURN_IF_ERROR(set_serial(out));
  MESH_RETURN_IF_ERROR(set_validity(out, draft.not_before, draft.not_after));
  MESH_RETURN_IF_ERROR(set_subject(out, draft));
  if (X509_set_issuer_name(out, X509_get_subject_name(signer.certificate != nullptr ? signer.certificate : out)) != 1)
    return openssl::failure("cannot name the issuer of a certificate");
  MESH_RETURN_IF_ERROR(add_constraints(out, draft.is_ca));
  MESH_RETURN_IF_ERROR(add_key_usage(out, draft, EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA));
  MESH_RETURN_IF_ERROR(add_extended_usage(out, draft));
  MESH_RETURN_IF_ERROR(add_alternative_names(out, draft));
  MESH_RETURN_IF_ERROR(add_key_ids(out, draft, signer));
  const bool digest_is_built_in = EVP_PKEY_get_base_id(signer.key) == EVP_PKEY_ED25519;
  if (X509_sign(out, signer.key, digest_is_built_in ? nullptr : EVP_sha256()) == 0)
    return openssl::failure("cannot sign a certificate");
  return certificate;
}

}  // namespace mesh
