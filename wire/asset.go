package wire

// Bounds of an asset's parts, from the reference's pattern
// ^[A-Z][A-Z0-9]{0,16}(_[A-Z]{1,16})?(/\d{1,6})?$ (unified monetary notation, UMN).
const (
	assetCodeMax      = 17
	assetSuffixMax    = 16
	assetPrecisionMax = 6
)

// ValidAsset reports whether s names an asset in UMN, for example "USD/2",
// "USDC_POLYGON/6" or "COIN". No precision means 0, so "USD" is not "USD/2".
func ValidAsset(s string) bool {
	i := 0
	for i < len(s) && (isUpper(s[i]) || i > 0 && isDigit(s[i])) {
		i++
	}
	if i == 0 || i > assetCodeMax {
		return false
	}
	s = s[i:]
	if s != "" && s[0] == '_' {
		i = 1
		for i < len(s) && isUpper(s[i]) {
			i++
		}
		if i == 1 || i > 1+assetSuffixMax {
			return false
		}
		s = s[i:]
	}
	if s == "" {
		return true
	}
	if s[0] != '/' || len(s) == 1 || len(s) > 1+assetPrecisionMax {
		return false
	}
	for i = 1; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
